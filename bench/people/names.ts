import { createRandom, type Random } from "../../src/sandbox/world/random.js";

/** A name as people write it, and as it stands in their e-mail addresses. */
export interface Name {
  text: string;
  /** Letters of `[a-z0-9]` alone. Empty if none is left. */
  plain: string;
  /** The share of people with a name who have this one. */
  share: number;
}

/**
 * Names by rank. A number from 0 up to 1 picks one; evenly spread numbers pick each as often as real people bear it.
 */
export type Names = (at: number) => Name;

type Words = readonly [string, ...string[]];

const FIRST = words(`
John James Mary Robert Michael Jennifer William David Linda Elizabeth Richard Joseph Susan Thomas Jessica Charles Sarah
Karen Daniel Lisa Matthew Maria Anthony Mark Betty Donald Steven Ashley Paul Kimberly Andrew Emily Joshua Donna Kenneth
Michelle Kevin Carol Brian Amanda George Melissa Timothy Deborah Ronald Stephanie Jason Rebecca Edward Laura Jeffrey
Sharon Ryan Cynthia Jacob Kathleen Gary Amy Nicholas Angela Eric Shirley Jonathan Anna Stephen Brenda Larry Emma Justin
Pamela Scott Nicole Brandon Helen Benjamin Samantha Samuel Katherine Gregory Christine Alexander Debra Patrick Rachel
Frank Carolyn Raymond Janet Jack Olivia Dennis Maya Jerry Hannah Tyler Heather Aaron Diane Jose Julie Adam Joyce Nathan
Victoria Johnny Noah Sofia Lucas Mohammed Wei Priya Ivan Yuki Fatima Ahmed Anne Danny Joanna Annie Brianna Annabel`);

const LAST = words(`
Smith Johnson Williams Brown Jones Garcia Miller Davis Rodriguez Martinez Hernandez Lopez Gonzalez Wilson Anderson
Thomas Taylor Moore Jackson Martin Lee Perez Thompson White Harris Sanchez Clark Ramirez Lewis Robinson Walker Young
Allen King Wright Scott Torres Nguyen Hill Flores Green Adams Nelson Baker Hall Rivera Campbell Mitchell Carter Roberts
Gomez Phillips Evans Turner Diaz Parker Cruz Edwards Collins Reyes Stewart Morris Morales Murphy Cook Rogers Gutierrez
Ortiz Morgan Cooper Peterson Bailey Reed Kelly Howard Ramos Kim Cox Ward Richardson Watson Brooks Chavez Wood James
Bennett Gray Mendoza Ruiz Hughes Price Alvarez Castillo Sanders Patel Myers Long Ross Foster Jimenez Silva Santos Rossi
Ferrari Schmidt Fischer Weber Ivanov Petrov Kowalski Dubois Johnston Chen Wang Singh Kumar Hoffmann`);

/** What folding, sorting and searching by single letters meets in every directory, though not often. */
const FIRST_ABROAD = words(`
José Zoë Søren Łukasz Björn André Михаил Jürgen Renée İpek Sølvi Ольга François Ümit 王伟 Ñuño Áine Chloé Γιώργος Дмитро
Çağla Ingrid-Lø Åsa さくら Jean-Luc Jérôme Mārtiņš مريم Şebnem Bjørn Anne-Marie 지우 Iñaki Dvořák Zdeněk Ελένη Ángel
أحمد Tiến Frédéric 太郎 Jón Øystein Hélène Gülşen שרה Nuño อรุณ प्रिया Đặng`);

const LAST_ABROAD = words(`
Müller García Nguyễn O'Brien Иванов Strauß Ångström Søndergaard 陈 Pérez Yılmaz D'Angelo 山田 Gonçalves Bjørnsen Šimić
Παπαδόπουλος Rønning Núñez Коваленко Fernández-Ruiz العربي Sjøberg 박 Lefèvre Şahin Jørgensen Weiß Nováková Łukasik
O'Neil כהן Kjær Ribeirão Bäcker शर्मा Þórsson Székely Quigley Åkesson Søby Dvořáček Villaseñor Đinh ใจดี Lübke
Møller-Bøe Østergård Çelik Grönroos`);

const PROVIDERS = words(`
yahoo.com outlook.com hotmail.com icloud.com aol.com gmx.de proton.me live.com mail.ru web.de qq.com yahoo.co.uk orange.fr
comcast.net libero.it naver.com msn.com fastmail.com hey.com zoho.com`);

const ONSETS = words("b br c ch d dr f g gr h j k kl l m n p pr r s sh st t tr v w y z");
const VOWELS = words("a e i o u a e i o ai ea ia io ou");
const FIRST_ENDS = words("n na l la ra ro s ta th vin der lyn mar bel rik son dra den");
const LAST_ENDS = words(
  "ton ley man ford er son berg well ini escu ova wicz ez ard stein worth ner sen by kar",
);
const TLDS = words("com com com io org net co de co.uk fr dev app");

const COMPOSED = 3000;
/** One of so many of the less common names comes from another language. */
const ABROAD_EVERY = 14;

export const FIRST_NAMES = ranked(withForeigners(FIRST, FIRST_ABROAD, composed(1, FIRST_ENDS, capital)), 4);
export const LAST_NAMES = ranked(withForeigners(LAST, LAST_ABROAD, composed(2, LAST_ENDS, capital)), 16);

/** None contains a g, so that `@g` is rare but for Gmail. */
const COMPANIES = composed(3, LAST_ENDS, (word, random) => `${word}.${random.pick(TLDS)}`).filter(
  (domain) => !domain.startsWith("g"),
);
const elsewhere = ranked([...PROVIDERS, ...COMPANIES], 2);
const atWork = ranked(COMPANIES, 8);
/** E-mail domains: 55 % of the people have one of these. */
const GMAIL_SHARE = 0.557;

const domainAt = (at: number): string =>
  at < GMAIL_SHARE ? "gmail.com" : elsewhere((at - GMAIL_SHARE) / (1 - GMAIL_SHARE)).text;

const ADJECTIVES = words(`
sunny quiet brave lucky silver purple electric cosmic hidden frozen golden rapid mellow noisy clever salty dusty velvet
retro turbo pixel neon wild lazy crispy gentle mighty tiny royal stormy`);
const NOUNS = words(`
panda tiger coder falcon river pilot wizard mango comet ninja otter rider lemon rocket fox cactus pirate turtle walnut
beetle koala drummer surfer pickle wolf raven biscuit gecko hiker dolphin`);

/** 1.18 on average. Somebody without an e-mail address can be reached by phone. */
export function emailAddresses(
  random: Random,
  first: Name | null,
  last: Name | null,
  hasPhone: boolean,
): string[] {
  if (hasPhone && random.chance(0.06)) return [];
  const addresses = [`${localPart(random, first, last)}@${domainAt(random.next())}`];
  if (random.chance(0.2)) addresses.push(`${localPart(random, first, last)}@${atWork(random.next()).text}`);
  if (random.chance(0.016)) addresses.push(`${nickname(random)}@${domainAt(random.next())}`);
  return addresses;
}

function localPart(random: Random, first: Name | null, last: Name | null): string {
  if (!first?.plain || !last?.plain || random.chance(0.12)) return nickname(random);
  const style = random.next();
  const digits = numberFor(random, first.share * last.share);
  if (style < 0.42) return `${first.plain}.${last.plain}${digits}`;
  if (style < 0.66) return `${first.plain}${last.plain}${digits}`;
  if (style < 0.76) return `${first.plain}_${last.plain}${digits}`;
  if (style < 0.84) return `${last.plain}.${first.plain}${digits}`;
  return `${first.plain.charAt(0)}${last.plain}${numberFor(random, last.share / 12)}`;
}

/** The more people share a name, the longer the number behind it, so that next to nobody shares an address. */
function numberFor(random: Random, share: number): string {
  const digits = Math.round(Math.log10(share * 1e6) + 2.3);
  return digits < 1 ? "" : String(random.int(10 ** digits)).padStart(digits, "0");
}

function nickname(random: Random): string {
  return `${random.pick(ADJECTIVES)}${random.chance(0.2) ? "." : ""}${random.pick(NOUNS)}${random.int(1e6)}`;
}

export function usernameOf(random: Random, first: Name | null, last: Name | null): string {
  if (!first?.plain || !last?.plain || random.chance(0.5)) return nickname(random).replace(".", "_");
  return `${first.plain}_${last.plain}${numberFor(random, first.share * last.share)}`;
}

/**
 * After Zipf and Mandelbrot: 1 / (r + flatness) of the people bear the name of rank r. The flatness keeps the first
 * few from taking more than real names do.
 */
function ranked(texts: readonly string[], flatness: number): Names {
  const weights = texts.map((_, index) => 1 / (index + 1 + flatness));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const names = texts.map((text, index) => ({
    ...{ text, plain: plainOf(text) },
    share: (weights[index] ?? 0) / total,
  }));
  const upTo = new Float64Array(weights.length);
  let sum = 0;
  for (const [index, weight] of weights.entries()) {
    sum += weight / total;
    upTo[index] = sum;
  }
  return (at) => {
    let [low, high] = [0, upTo.length - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((upTo[middle] ?? 1) > at) high = middle;
      else low = middle + 1;
    }
    return names[low] as Name;
  };
}

function withForeigners(common: Words, abroad: Words, rest: readonly string[]): string[] {
  const mixed = rest.flatMap((name, index) => {
    const foreigner = index % ABROAD_EVERY === 0 ? abroad[index / ABROAD_EVERY] : undefined;
    return foreigner === undefined ? [name] : [foreigner, name];
  });
  return [...new Set([...common, ...mixed])];
}

/** So many different words of two or three syllables, the same in every run. */
function composed(seed: number, ends: Words, finish: (word: string, random: Random) => string): string[] {
  const random = createRandom(seed);
  const syllable = () => random.pick(ONSETS) + random.pick(VOWELS);
  const made = new Set<string>();
  while (made.size < COMPOSED) {
    made.add(finish(syllable() + (random.chance(0.4) ? syllable() : "") + random.pick(ends), random));
  }
  return [...made];
}

function capital(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1);
}

function plainOf(text: string): string {
  return text
    .normalize("NFKD")
    .toLowerCase()
    .replace(/[^a-z0-9]/g, "");
}

function words(text: string): Words {
  return text.trim().split(/\s+/) as [string, ...string[]];
}
