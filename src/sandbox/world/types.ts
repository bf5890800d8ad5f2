export type Json = Record<string, unknown>;

export interface Identification extends Json {
  id: string;
  created_at: number;
  updated_at: number;
}
export interface EmailAddress extends Identification {
  email_address: string;
}
export interface PhoneNumber extends Identification {
  phone_number: string;
}
export interface Web3Wallet extends Identification {
  web3_wallet: string;
}
export interface ExternalAccount extends Identification {
  provider: string;
  provider_user_id: string;
}

/** A user exactly as the API shows it. It contains no secrets. */
export interface User extends Json {
  id: string;
  object: "user";
  external_id: string | null;
  username: string | null;
  first_name: string | null;
  last_name: string | null;
  primary_email_address_id: string | null;
  primary_phone_number_id: string | null;
  primary_web3_wallet_id: string | null;
  image_url: string;
  has_image: boolean;
  public_metadata: Json;
  private_metadata: Json;
  unsafe_metadata: Json;
  email_addresses: EmailAddress[];
  phone_numbers: PhoneNumber[];
  web3_wallets: Web3Wallet[];
  passkeys: (Json & { id: string })[];
  external_accounts: ExternalAccount[];
  password_enabled: boolean;
  two_factor_enabled: boolean;
  totp_enabled: boolean;
  backup_code_enabled: boolean;
  mfa_enabled_at: number | null;
  mfa_disabled_at: number | null;
  banned: boolean;
  locked: boolean;
  lockout_expires_in_seconds: number | null;
  verification_attempts_remaining: number | null;
  last_sign_in_at: number | null;
  last_active_at: number | null;
  created_at: number;
  updated_at: number;
}

/** What Clerk stores about a user and never shows. */
export interface Secrets {
  password: string | null;
  totp: string | null;
  backupCodes: string[];
  lockedUntilMs: number | null;
}

export interface Organization extends Json {
  id: string;
  object: "organization";
  name: string;
  slug: string;
  members_count: number;
  public_metadata: Json;
  private_metadata: Json;
  created_at: number;
  updated_at: number;
}

/** A membership without the copies of its organization and its user that an answer contains. */
export interface Membership extends Json {
  id: string;
  role: string;
  public_metadata: Json;
  private_metadata: Json;
  organization_id: string;
  user_id: string;
  created_at: number;
  updated_at: number;
}

export interface ClerkEvent {
  type: string;
  data: Json;
}
