/** As much of Clerk's user as pages name. Whatever an object may lack is unknown. */
export type ShownUser = Readonly<Record<string, unknown>> & { id: string };

/** One of the ways to tell who a user is. */
export interface Identifier {
  kind: string;
  value: string;
  isPrimary: boolean;
  /** Null: Clerk doesn't say. */
  verification: string | null;
}

export function identifiersOf(user: ShownUser): Identifier[] {
  const of = (kind: string, list: unknown, member: string, primary: unknown): Identifier[] =>
    objectsOf(list).flatMap((one) => {
      const value = textOf(one[member]);
      const verification = textOf((one.verification as Record<string, unknown> | null)?.status);
      return value === null ? [] : [{ kind, value, isPrimary: one.id === primary, verification }];
    });
  const alone = (kind: string, value: unknown): Identifier[] => {
    const text = textOf(value);
    return text === null ? [] : [{ kind, value: text, isPrimary: false, verification: null }];
  };
  return [
    ...of("e-mail", user.email_addresses, "email_address", user.primary_email_address_id),
    ...of("phone", user.phone_numbers, "phone_number", user.primary_phone_number_id),
    ...alone("username", user.username),
    ...of("wallet", user.web3_wallets, "web3_wallet", user.primary_web3_wallet_id),
    ...objectsOf(user.external_accounts).map((account): Identifier => {
      const name =
        textOf(account.email_address) || textOf(account.username) || textOf(account.provider_user_id);
      return {
        kind: textOf(account.provider) ?? "account",
        value: name || String(account.id ?? ""),
        isPrimary: false,
        verification: textOf((account.verification as Record<string, unknown> | null)?.status),
      };
    }),
    ...alone("external id", user.external_id),
  ];
}

/** The first name and the last, the username, or the id. */
export function nameOf(user: Readonly<Record<string, unknown>>): string {
  const names = [user.first_name, user.last_name].filter((name) => typeof name === "string" && name !== "");
  return names.length > 0 ? names.join(" ") : (textOf(user.username) ?? String(user.id));
}

const textOf = (value: unknown): string | null => (typeof value === "string" && value !== "" ? value : null);

const objectsOf = (list: unknown): Record<string, unknown>[] =>
  Array.isArray(list) ? list.filter((one) => typeof one === "object" && one !== null) : [];
