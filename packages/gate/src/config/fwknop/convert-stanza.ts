/** One stanza of an access.conf as native ones. */
import { formatPrefix, parseAddress, prefixOf } from '@postern/protocol';
import { TomlDate } from 'smol-toml';
import * as v from 'valibot';
import { parseEndpoint } from '../endpoint.ts';
import type { Note } from '../import-note.ts';
import type { AccessStanza } from './access-file.ts';
import { convertCipher, type GpgSettings } from './convert-cipher.ts';
import { convertCommands } from './convert-commands.ts';
import { convertNat, type NatSettings } from './convert-nat.ts';
import type { StanzaKeys } from './keys-file.ts';
import {
  DEFAULT_MAX_SECONDS,
  DEFAULT_SECONDS,
  MOST_SECONDS,
  MOST_USER_BYTES,
  stanzaSchema,
  type StanzaTable,
} from './schema.ts';
import { Taking } from './taking.ts';

/** What fwknopd.conf says to every stanza. */
export interface StanzaSettings {
  readonly nat: NatSettings;
  readonly gpg: GpgSettings;
  /** For whether a stanza has run out. */
  readonly now: Date;
}

/** A stanza of fwknop, and what it is here: two where it has a key and uses gpg, none where something in it cannot be. */
export interface ConvertedStanza {
  readonly tables: readonly { readonly table: StanzaTable; readonly keys: StanzaKeys }[];
  readonly notes: readonly Note[];
}

/** The most seconds of a timeout that fwknopd takes. */
const FWKNOP_MOST_SECONDS = 8_388_608;

/** Converts one stanza; nothing of it is left out in silence. */
export function convertStanza(stanza: AccessStanza, settings: StanzaSettings): ConvertedStanza {
  const taking = new Taking(stanza);
  const source = blocksOf(taking, 'SOURCE') ?? [];
  const destination = blocksOf(taking, 'DESTINATION');
  const rest: Omit<StanzaTable, 'source' | 'mode' | 'gpg' | 'hmac'> = {
    ...(destination === undefined || destination.includes('any') ? {} : { destination }),
    ...portsOf(taking),
    seconds: secondsOf(taking, 'FW_ACCESS_TIMEOUT', DEFAULT_SECONDS),
    max_seconds: secondsOf(taking, 'MAX_FW_TIMEOUT', DEFAULT_MAX_SECONDS),
    require_source_address: sourceAddressOf(taking),
    ...userOf(taking),
    ...expiryOf(taking, settings.now),
    ...convertCommands(taking, source.includes('any')),
    ...convertNat(taking, settings.nat),
  };
  const ciphers = convertCipher(taking, settings.gpg);
  const tables = ciphers.map(({ table, keys }) => ({ table: { source, ...defined(table), ...rest }, keys }));
  for (const { table } of taking.refused ? [] : tables) {
    const [issue] = v.safeParse(stanzaSchema, table).issues ?? [];
    if (issue !== undefined) taking.note('refused', undefined, `it cannot be said here: ${issue.message}`);
  }
  return { tables: taking.refused ? [] : tables, notes: taking.told() };
}

function defined<T extends object>(table: T): T {
  return Object.fromEntries(Object.entries(table).filter(([, value]) => value !== undefined)) as T;
}

/** A list of addresses, blocks and masks, or ANY. fwknop takes a block with bits behind its prefix for the whole block. */
function blocksOf(taking: Taking, name: string): readonly string[] | undefined {
  const variable = taking.take(name);
  if (variable === undefined) return undefined;
  const blocks = variable.value.split(',').map((word) => blockOf(word.trim()));
  const sound = blocks.flatMap((block) => block ?? []);
  if (sound.length < blocks.length)
    taking.note('refused', name, 'ANY, or addresses and blocks, apart by commas, are expected', [
      `${name} 203.0.113.0/24;`,
    ]);
  return sound.includes('any') ? ['any'] : [...new Set(sound)];
}

function blockOf(word: string): string | undefined {
  if (/^any$/i.test(word)) return 'any';
  const [host = '', mask, ...more] = word.split('/');
  const address = parseAddress(host);
  if (address === undefined || more.length > 0) return undefined;
  if (mask === undefined) return formatPrefix(prefixOf(address, host.includes(':') ? 128 : 32));
  const bits = mask.includes('.') ? bitsOf(mask) : Number(/^\d{1,3}$/.exec(mask)?.[0] ?? Number.NaN);
  if (bits === undefined || !(bits <= (host.includes(':') ? 128 : 32))) return undefined;
  return formatPrefix(prefixOf(address, bits));
}

/** The length of a dotted mask; undefined where its ones are not together, or it is none. */
function bitsOf(mask: string): number | undefined {
  for (let bits = 0; bits <= 32; bits++) {
    const value = bits === 0 ? 0 : (0xff_ff_ff_ff << (32 - bits)) >>> 0;
    const shown = [24, 16, 8, 0].map((shift) => (value >>> shift) & 255).join('.');
    if (shown === mask) return bits;
  }
  return undefined;
}

function portsOf(taking: Taking): Pick<StanzaTable, 'open_ports' | 'restrict_ports'> {
  const [open, restrict] = [portList(taking, 'OPEN_PORTS'), portList(taking, 'RESTRICT_PORTS')];
  if (open === undefined && !taking.has('CMD_CYCLE_OPEN'))
    taking.note('weak', undefined, 'it may open every port', ['OPEN_PORTS tcp/22;']);
  return {
    ...(open === undefined ? {} : { open_ports: open }),
    ...(restrict === undefined ? {} : { restrict_ports: restrict }),
  };
}

function portList(taking: Taking, name: string): readonly string[] | undefined {
  const variable = taking.take(name);
  if (variable === undefined) return undefined;
  const words = variable.value.split(',').map((word) =>
    word
      .trim()
      .toLowerCase()
      .replace(/\/0+(?=\d)/, '/'),
  );
  if (!words.every((word) => parseEndpoint(word) !== undefined))
    taking.note('refused', name, 'ports, apart by commas, are expected', [`${name} tcp/22, udp/53;`]);
  return [...new Set(words)];
}

function secondsOf(taking: Taking, name: string, preset: number): number {
  const variable = taking.take(name);
  if (variable === undefined) return preset;
  const seconds = Number(/^\d{1,9}$/.exec(variable.value)?.[0] ?? Number.NaN);
  if (!(seconds <= FWKNOP_MOST_SECONDS)) {
    taking.note('refused', name, `whole seconds, ${FWKNOP_MOST_SECONDS} at most, are expected`);
    return preset;
  }
  if (seconds === 0) {
    taking.note('changed', name, `0 means ${preset} s, to fwknopd, too`);
    return preset;
  }
  if (seconds > MOST_SECONDS) {
    taking.note('changed', name, `${seconds} s: a grant lasts ${MOST_SECONDS} s, a day, at most`);
    return MOST_SECONDS;
  }
  return seconds;
}

function sourceAddressOf(taking: Taking): boolean {
  // The later name of the two; whichever is there.
  const needed = [taking.takeYes('REQUIRE_SOURCE_ADDRESS'), taking.takeYes('REQUIRE_SOURCE')].includes(true);
  if (!needed) {
    const text =
      'a request may leave its address out: who catches it on its way and is faster sends it on from elsewhere and gets in instead';
    taking.note('weak', undefined, text, [
      'REQUIRE_SOURCE_ADDRESS Y;, and `-a` or `-R` instead of `-s` at its clients',
    ]);
  }
  return needed;
}

function userOf(taking: Taking): Pick<StanzaTable, 'require_user'> {
  const variable = taking.take('REQUIRE_USERNAME');
  if (variable === undefined) return {};
  if (!/^[ -~]*$/.test(variable.value) || variable.value.length > MOST_USER_BYTES)
    taking.note('refused', 'REQUIRE_USERNAME', `1 to ${MOST_USER_BYTES} printable ASCII characters are expected`);
  return { require_user: variable.value };
}

function expiryOf(taking: Taking, now: Date): Pick<StanzaTable, 'expires'> {
  const [day, epoch] = [taking.take('ACCESS_EXPIRE'), taking.take('ACCESS_EXPIRE_EPOCH')];
  if (day === undefined && epoch === undefined) return {};
  const name = epoch === undefined ? 'ACCESS_EXPIRE' : 'ACCESS_EXPIRE_EPOCH';
  const expires = epoch === undefined ? dayOf(day?.value ?? '') : secondOf(epoch.value);
  if (expires === undefined) {
    const expected = epoch === undefined ? 'a day as MM/DD/YYYY' : 'seconds since 1970';
    taking.note('refused', name, `${expected} is expected`);
    return {};
  }
  if (expires <= now) taking.note('weak', name, 'it has run out: nothing is opened by it', ['remove the stanza']);
  return { expires: new TomlDate(expires) };
}

/** The beginning of a day in this host's time, as fwknopd takes it. */
function dayOf(text: string): Date | undefined {
  const [, month, day, year] = /^(\d{1,2})\/(\d{1,2})\/(\d{4})$/.exec(text) ?? [];
  const date = new Date(Number(year), Number(month) - 1, Number(day));
  return date.getMonth() === Number(month) - 1 && date.getTime() >= 0 ? date : undefined;
}

function secondOf(text: string): Date | undefined {
  return /^\d{1,11}$/.test(text) ? new Date(Number(text) * 1000) : undefined;
}
