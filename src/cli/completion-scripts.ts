import type { Command } from "commander";

export const SHELLS = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof SHELLS)[number];

/** What can be typed behind some words. */
interface Place {
  /** The commands before it, each behind a slash; empty at the beginning. */
  path: string;
  words: Word[];
  options: (Word & { takesValue: boolean })[];
}

interface Word {
  text: string;
  about: string;
}

/**
 * A script that completes what the program itself says it takes, so that it knows each command and option as soon as the
 * program does.
 */
export function scriptFor(shell: Shell, program: Command): string {
  const places = placesOf(program, "");
  return { bash, zsh, fish }[shell](program.name(), places);
}

function placesOf(command: Command, path: string): Place[] {
  const help = command.createHelp();
  const commands = help.visibleCommands(command);
  const place: Place = {
    path,
    words: [
      ...commands.map((each) => ({ text: each.name(), about: firstOf(each.description()) })),
      ...command.registeredArguments.flatMap(({ argChoices = [], description }) =>
        argChoices.map((text) => ({ text, about: firstOf(description) })),
      ),
    ],
    options: help
      .visibleOptions(command)
      .flatMap(({ short, long, description, required, optional }) =>
        [short, long].flatMap((text) =>
          text ? [{ text, about: firstOf(description), takesValue: required || optional }] : [],
        ),
      ),
  };
  return [place, ...command.commands.flatMap((each) => placesOf(each, `${path}/${each.name()}`))];
}

/** A line's worth of a description. */
const firstOf = (text: string) => (text.split(/[;:.] |\n/, 1)[0] ?? "").slice(0, 80);

const quoted = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;
const paths = (places: readonly Place[]) => places.flatMap(({ path }) => (path ? [quoted(path)] : []));
const functionOf = (name: string) => `_${name.replaceAll("-", "_")}`;

function bash(name: string, places: readonly Place[]): string {
  const own = functionOf(name);
  const texts = (words: readonly Word[]) => quoted(words.map(({ text }) => text).join(" "));
  const values = places.flatMap(({ path, options }) =>
    options.flatMap(({ text, takesValue }) => (takesValue ? [quoted(`${path} ${text}`)] : [])),
  );
  return `# Completes ${name} in bash: source <(${name} completion bash)
${own}() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" place="" commands options n
  for ((n = 1; n < COMP_CWORD; n++)); do
    case "$place/\${COMP_WORDS[n]}" in
      ${paths(places).join(" | ")}) place="$place/\${COMP_WORDS[n]}" ;;
    esac
  done
  # The value of an option: the names of files, by default.
  case "$place \${COMP_WORDS[COMP_CWORD - 1]}" in
    ${values.join(" | ")}) return ;;
  esac
  case "$place" in
${places.map(({ path, words, options }) => `    ${quoted(path)}) commands=${texts(words)} options=${texts(options)} ;;`).join("\n")}
  esac
  if [[ "$cur" == -* ]]; then commands="$options"; fi
  COMPREPLY=($(compgen -W "$commands" -- "$cur"))
}
complete -o default -F ${own} ${name}
`;
}

function zsh(name: string, places: readonly Place[]): string {
  const own = functionOf(name);
  const texts = (words: readonly Word[]) =>
    words.map(({ text, about }) => quoted(`${text}:${about.replaceAll(":", "\\:")}`)).join(" ");
  return `#compdef ${name}
# Completes ${name} in zsh: source <(${name} completion zsh)
${own}() {
  local place="" word
  local -a found options
  for word in "\${(@)words[2,CURRENT-1]}"; do
    case "$place/$word" in
      (${paths(places).join("|")}) place="$place/$word" ;;
    esac
  done
  case "$place" in
${places.map(({ path, words, options }) => `    (${quoted(path)}) found=(${texts(words)}) options=(${texts(options)}) ;;`).join("\n")}
  esac
  if [[ "$PREFIX" == -* ]]; then _describe -o option options
  elif (( \${#found} )); then _describe command found
  else _files
  fi
}
compdef ${own} ${name}
`;
}

function fish(name: string, places: readonly Place[]): string {
  const own = `_${functionOf(name)}_place`;
  const at = (path: string) => `complete -c ${name} -n ${quoted(`test (${own}) = "${path}"`)}`;
  const option = (text: string) => (text.startsWith("--") ? `-l ${text.slice(2)}` : `-s ${text.slice(1)}`);
  const lines = places.flatMap(({ path, words, options }) => [
    ...words.map(({ text, about }) => `${at(path)} -f -a ${quoted(text)} -d ${quoted(about)}`),
    ...options.map(
      ({ text, about, takesValue }) =>
        `${at(path)} ${option(text)}${takesValue ? " -r" : ""} -d ${quoted(about)}`,
    ),
  ]);
  return `# Completes ${name} in fish: ${name} completion fish | source
function ${own}
  set -l place ""
  for word in (commandline -opc)[2..-1]
    switch "$place/$word"
      case ${paths(places).join(" ")}
        set place "$place/$word"
    end
  end
  echo "$place"
end
${lines.join("\n")}
`;
}
