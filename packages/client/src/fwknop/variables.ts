/** The variables of `~/.fwknoprc`, and the few settings that only the command line has. */

/** Variables that fwknop's client reads from a stanza. */
export const FWKNOPRC_VARIABLES = [
  'SPA_SERVER',
  'SPA_SERVER_PORT',
  'SPA_SERVER_PROTO',
  'SPA_SOURCE_PORT',
  'SPOOF_SOURCE_IP',
  'RAND_PORT',
  'ACCESS',
  'ALLOW_IP',
  'RESOLVE_IP_HTTPS',
  'RESOLVE_IP_HTTP',
  'RESOLVE_HTTP_ONLY',
  'RESOLVE_URL',
  'WGET_CMD',
  'HTTP_USER_AGENT',
  'USE_WGET_USER_AGENT',
  'SERVER_RESOLVE_IPV4',
  'KEY',
  'KEY_BASE64',
  'KEY_FILE',
  'HMAC_KEY',
  'HMAC_KEY_BASE64',
  'HMAC_KEY_FILE',
  'USE_HMAC',
  'HMAC_DIGEST_TYPE',
  'DIGEST_TYPE',
  'ENCRYPTION_MODE',
  'FW_TIMEOUT',
  'NAT_ACCESS',
  'NAT_LOCAL',
  'NAT_PORT',
  'NAT_RAND_PORT',
  'TIME_OFFSET',
  'SPOOF_USER',
  'USE_GPG',
  'USE_GPG_AGENT',
  'GPG_RECIPIENT',
  'GPG_SIGNER',
  'GPG_HOMEDIR',
  'GPG_EXE',
  'GPG_SIGNING_PW',
  'GPG_SIGNING_PW_BASE64',
  'GPG_NO_SIGNING_PW',
  'VERBOSE',
  'NO_SAVE_ARGS',
] as const;

/** A variable of `~/.fwknoprc`. */
export type FwknoprcVariable = (typeof FWKNOPRC_VARIABLES)[number];

/** A setting: a variable, or what only the command line says. */
export type FwknopSetting = FwknoprcVariable | 'SERVER_CMD' | 'HTTP_PROXY' | 'ICMP_TYPE' | 'ICMP_CODE' | 'KEY_FD';

/** Whether a setting, or a word in a file, is a variable of `~/.fwknoprc`. */
export function isVariable(name: string): name is FwknoprcVariable {
  const known: readonly string[] = FWKNOPRC_VARIABLES;
  return known.includes(name);
}

/** Variables that hold a secret: a file with one must be private. */
export const SECRET_VARIABLES: ReadonlySet<string> = new Set<FwknoprcVariable>([
  ...(['KEY', 'KEY_BASE64', 'HMAC_KEY', 'HMAC_KEY_BASE64', 'GPG_SIGNING_PW', 'GPG_SIGNING_PW_BASE64'] as const),
]);

/** Variables that are Y or N. */
export const SWITCHES: ReadonlySet<string> = new Set<FwknoprcVariable>([
  ...(['RAND_PORT', 'RESOLVE_IP_HTTPS', 'RESOLVE_IP_HTTP', 'RESOLVE_HTTP_ONLY', 'USE_WGET_USER_AGENT'] as const),
  ...(['SERVER_RESOLVE_IPV4', 'USE_HMAC', 'NAT_LOCAL', 'NAT_RAND_PORT', 'USE_GPG', 'USE_GPG_AGENT'] as const),
  ...(['GPG_NO_SIGNING_PW', 'NO_SAVE_ARGS'] as const),
]);

/** Settings of which the later one stands in for the others, whoever wrote them. */
const ALTERNATIVES: readonly (readonly FwknopSetting[])[] = [
  ['KEY', 'KEY_BASE64', 'KEY_FILE', 'KEY_FD'],
  ['HMAC_KEY', 'HMAC_KEY_BASE64', 'HMAC_KEY_FILE'],
  ['SPA_SERVER_PORT', 'RAND_PORT'],
  ['NAT_PORT', 'NAT_RAND_PORT'],
  ['ALLOW_IP', 'RESOLVE_IP_HTTPS', 'RESOLVE_IP_HTTP'],
  ['GPG_SIGNING_PW', 'GPG_SIGNING_PW_BASE64', 'GPG_NO_SIGNING_PW'],
];

/** One setting, as it was written. */
export interface Assignment {
  readonly name: FwknopSetting;
  readonly value: string;
  /** Where it stands, for people: `--access`, or `/home/me/.fwknoprc:12: ACCESS`. */
  readonly from: string;
}

/** Settings by name; the last one that was written counts. */
export type Settings = ReadonlyMap<FwknopSetting, Assignment>;

/** Whether a switch is on, as fwknop reads it: Y, and nothing else. */
export function isOn(value: string): boolean {
  return value.toUpperCase() === 'Y';
}

/** Lays assignments over each other: what comes later wins, also over what it excludes. */
export function layered(...layers: readonly (readonly Assignment[])[]): Settings {
  const settings = new Map<FwknopSetting, Assignment>();
  for (const assignment of layers.flat()) {
    const { name, value } = assignment;
    const counts = !SWITCHES.has(name) || isOn(value);
    if (counts)
      for (const group of ALTERNATIVES) if (group.includes(name)) for (const other of group) settings.delete(other);
    settings.set(name, assignment);
  }
  return settings;
}
