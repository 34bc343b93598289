/** What [fwknop] in posternd.toml may say. `docs/reference/configuration.md` says what it means. */
import { parsePrefix } from '@postern/protocol';
import { TomlDate } from 'smol-toml';
import * as v from 'valibot';
import { ENDPOINT } from '../endpoint.ts';
import { duration, text, whole } from '../schema-parts.ts';
import { parseForward } from '../forward.ts';
import { HEARING_FORM, parseHearing } from './hearing.ts';
import type { FwknopDigestName, FwknopModeName } from './model.ts';

/** Seconds that a packet's time may differ from ours when nothing else is said, as with fwknop. */
export const DEFAULT_MAX_AGE = 120;
/** Seconds of a grant when a stanza sets none, as with fwknop. */
export const DEFAULT_SECONDS = 30;
/** The most seconds that a request may ask for when a stanza sets none, as with fwknop. */
export const DEFAULT_MAX_SECONDS = 300;
/** The most seconds of a grant. */
export const MOST_SECONDS = 86_400;
/** Seconds that a command may take when a stanza sets none. */
export const DEFAULT_TIME_LIMIT = 10;
/** Seconds between the commands of a cycle when it sets none. */
export const DEFAULT_CLOSE_AFTER = 30;
/** Where gpg is when a stanza does not say. */
export const DEFAULT_GPG = '/usr/bin/gpg';
/** Bytes of a user's name at most: what fits into a packet. */
export const MOST_USER_BYTES = 48;

/** Digests, as they are spelt. */
export const DIGEST_NAMES: readonly FwknopDigestName[] = [
  ...(['md5', 'sha1', 'sha256', 'sha384', 'sha512', 'sha3_256', 'sha3_512'] as const),
];
/** Modes of encryption, as they are spelt. */
export const MODE_NAMES: readonly FwknopModeName[] = ['ecb', 'cbc', 'cfb', 'ofb', 'ctr', 'legacy'];

/** Commands in place of a grant, as posternd.toml writes them. */
export interface CycleTable {
  readonly open: readonly string[];
  readonly close?: readonly string[] | undefined;
  readonly close_after?: number | undefined;
  readonly user?: string | undefined;
}

/** How packets are encrypted with GPG, as posternd.toml writes it. */
export interface GpgTable {
  readonly home: string;
  readonly program?: string | undefined;
  readonly signers?: readonly string[] | undefined;
  readonly unsigned?: boolean | undefined;
  readonly ignore_bad_signature?: boolean | undefined;
}

/** A stanza as posternd.toml writes it; its keys are in fwknop.keys. */
export interface StanzaTable {
  readonly source: readonly string[];
  readonly destination?: readonly string[] | undefined;
  readonly mode?: FwknopModeName | undefined;
  readonly hmac?: FwknopDigestName | 'none' | undefined;
  readonly gpg?: GpgTable | undefined;
  readonly open_ports?: readonly string[] | undefined;
  readonly restrict_ports?: readonly string[] | undefined;
  readonly seconds?: number | undefined;
  readonly max_seconds?: number | undefined;
  readonly require_source_address?: boolean | undefined;
  readonly require_user?: string | undefined;
  readonly expires?: Date | undefined;
  readonly single_use?: boolean | undefined;
  readonly command_user?: string | undefined;
  readonly command_prefix?: readonly string[] | undefined;
  readonly time_limit?: number | undefined;
  readonly cycle?: CycleTable | undefined;
  readonly forward?: boolean | undefined;
  readonly forward_local?: boolean | undefined;
  readonly forward_to?: string | undefined;
  readonly masquerade?: boolean | undefined;
}

/** [fwknop] as posternd.toml writes it. */
export interface FwknopTable {
  readonly hear?: readonly string[] | undefined;
  readonly max_age?: number | 'any' | undefined;
  readonly nat_names?: boolean | undefined;
  readonly budget?: boolean | undefined;
  readonly stanzas?: Readonly<Record<string, StanzaTable>> | undefined;
}

/** What a stanza's name may be. Not a number: those would come before all others, and stanzas are tried in order. */
export const STANZA_NAME: RegExp = /^(?!\d+$)[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
/** What the name of a system user may be. */
export const SYSTEM_USER: RegExp = /^[a-z_][a-z0-9_-]{0,31}$/;
/** A key by its fingerprint, or the last 8 or 16 digits of it. */
export const SIGNER: RegExp = /^(?:[0-9A-F]{8}|[0-9A-F]{16}|[0-9A-F]{40}|[0-9A-F]{64})$/;

const flag = v.boolean('true or false (without quotes) is expected');
const path = text('an absolute path is expected', /^\/[^\0]*$/);
const seconds = whole(1, MOST_SECONDS);
const user = text('the name of a system user is expected', SYSTEM_USER);
const ISO = 'a date and time with its zone, such as 2027-01-31T18:00:00Z (without quotes), is expected';
const time = v.pipe(
  v.instance(TomlDate, ISO),
  v.check((value) => value.isDateTime() && !value.isLocal() && value.getTime() >= 0, ISO),
);

const COMMAND = 'a command as a list of its arguments, such as ["/usr/bin/program", "{source}"], is expected';
const command = v.pipe(
  v.array(
    text('an argument without a NUL is expected', (value) => !value.includes('\0')),
    COMMAND,
  ),
  v.minLength(1, COMMAND),
  v.maxLength(256, 'at most 256 arguments are expected'),
);

const BLOCKS = 'a list of addresses or blocks, or ["any"], is expected';
const blocks = v.pipe(
  v.array(
    text(
      'an address, a block without bits after its prefix, such as "203.0.113.0/24", or "any" is expected',
      (value) => value === 'any' || parsePrefix(value) !== undefined,
    ),
    BLOCKS,
  ),
  v.minLength(1, BLOCKS),
  v.maxLength(1024, 'at most 1024 addresses or blocks are expected'),
);

const ports = v.pipe(
  v.array(
    text('a port such as "tcp/22" or "udp/51820" (1 to 65535, each port by itself) is expected', ENDPOINT),
    'a list of ports, such as ["tcp/22"], is expected',
  ),
  v.minLength(1, 'at least one port, such as ["tcp/22"], is expected (leave it out to say nothing)'),
  v.maxLength(1024, 'at most 1024 ports are expected'),
);

const cycle = {
  open: command,
  close: v.optional(command),
  close_after: v.optional(whole(1, MOST_SECONDS)),
  user: v.optional(user),
};

const gpg = {
  home: path,
  program: v.optional(path),
  signers: v.optional(
    v.pipe(
      v.array(
        text(
          'the fingerprint of a key (40 upper-case hexadecimal digits), or the last 16 or 8 of them, is expected',
          SIGNER,
        ),
        'a list of fingerprints is expected',
      ),
      v.minLength(1, 'at least one fingerprint is expected'),
      v.maxLength(1024, 'at most 1024 fingerprints are expected'),
    ),
  ),
  unsigned: v.optional(flag),
  ignore_bad_signature: v.optional(flag),
};

const FORWARD_TO = 'an address and a port, such as "10.0.3.7:22" or "[fd00::7]:22", is expected';
const USER_NAME = `a user name of 1 to ${MOST_USER_BYTES} printable ASCII characters is expected`;

const stanza = {
  source: blocks,
  destination: v.optional(blocks),
  mode: v.optional(v.picklist(MODE_NAMES, `one of ${MODE_NAMES.join(', ')} is expected`)),
  hmac: v.optional(v.picklist([...DIGEST_NAMES, 'none'], `one of ${DIGEST_NAMES.join(', ')}, or none is expected`)),
  gpg: v.optional(
    v.strictObject(gpg, 'a table, such as gpg = { home = "/root/.gnupg", signers = ["…"] }, is expected'),
  ),
  open_ports: v.optional(ports),
  restrict_ports: v.optional(ports),
  seconds: v.optional(seconds),
  max_seconds: v.optional(seconds),
  require_source_address: v.optional(flag),
  require_user: v.optional(text(USER_NAME, new RegExp(`^[ -~]{1,${MOST_USER_BYTES}}$`))),
  expires: v.optional(time),
  single_use: v.optional(flag),
  command_user: v.optional(user),
  command_prefix: v.optional(command),
  time_limit: v.optional(duration(0.1, 3_600)),
  cycle: v.optional(v.strictObject(cycle, 'a table, such as cycle = { open = ["/usr/bin/program"] }, is expected')),
  forward: v.optional(flag),
  forward_local: v.optional(flag),
  forward_to: v.optional(text(FORWARD_TO, (value) => parseForward(value)?.port !== undefined)),
  masquerade: v.optional(flag),
};

const AGE = `a whole number of seconds from 1 to ${MOST_SECONDS}, or "any", is expected`;

const fwknop = {
  hear: v.optional(
    v.pipe(
      v.array(
        text(HEARING_FORM, (value) => parseHearing(value) !== undefined),
        'a list of places, such as ["udp/62201"], is expected',
      ),
      v.minLength(1, 'at least one place, such as ["udp/62201"], is expected'),
      v.maxLength(64, 'at most 64 places are expected'),
    ),
  ),
  max_age: v.optional(v.union([whole(1, MOST_SECONDS), v.literal('any')], AGE)),
  nat_names: v.optional(flag),
  budget: v.optional(flag),
};

const STANZAS = 'tables, such as [fwknop.stanzas.alice], are expected';

/** Schema of one stanza. */
export const stanzaSchema: v.GenericSchema<unknown, StanzaTable> = v.strictObject(
  stanza,
  'a table, such as [fwknop.stanzas.alice], is expected',
);

/** Schema of [fwknop]. */
export const fwknopSchema: v.GenericSchema<unknown, FwknopTable> = v.strictObject(
  {
    ...fwknop,
    stanzas: v.optional(
      v.record(
        text(
          'a stanza is named by 1 to 64 letters, digits, dots, underscores or hyphens, the first a letter or digit, not all of them digits; that is expected',
          STANZA_NAME,
        ),
        stanzaSchema,
        STANZAS,
      ),
    ),
  },
  'a table, [fwknop], is expected',
);

/** The keys that may stand in the table at `path` of posternd.toml, which begins with `fwknop`. */
export function fwknopKeys(path: readonly unknown[]): readonly string[] {
  if (path.length < 3) return [...Object.keys(fwknop), 'stanzas'];
  if (path.length === 3) return Object.keys(stanza);
  return Object.keys(path[3] === 'gpg' ? gpg : cycle);
}
