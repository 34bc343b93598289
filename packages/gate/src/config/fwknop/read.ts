/** Reads [fwknop] of posternd.toml and its keys: what they mean, and what of them cannot be meant. */
import { parsePrefix, type Seconds, type UnixMicros } from '@postern/protocol';
import { nearest } from '@postern/terminal';
import { parseEndpoint } from '../endpoint.ts';
import type { Endpoint, Source } from '../../firewall/port.ts';
import { parseForward } from '../forward.ts';
import type { Path } from '../positions.ts';
import { errorAt, type TomlFile } from '../toml-file.ts';
import { formatHearing, parseHearing } from './hearing.ts';
import type { FwknopKeys, StanzaKeys } from './keys-file.ts';
import type { Fwknop, FwknopCipher, FwknopHearing, FwknopHmacKey, FwknopNat, FwknopStanza } from './model.ts';
import {
  DEFAULT_CLOSE_AFTER,
  DEFAULT_GPG,
  DEFAULT_MAX_AGE,
  DEFAULT_MAX_SECONDS,
  DEFAULT_SECONDS,
  DEFAULT_TIME_LIMIT,
  type FwknopTable,
  type GpgTable,
  type StanzaTable,
} from './schema.ts';

type Refuse = (path: Path, message: string, hint?: string) => Error;

/** Where something is wrong with the keys of one stanza. */
type RefuseKey = (key: 'key' | 'hmac_key' | 'passphrase' | undefined, message: string, hint?: string) => Error;

/** Any source of either family. */
const ANYWHERE: readonly Source[] = ['0.0.0.0/0', '::/0'].flatMap((text) => parsePrefix(text) ?? []);

/**
 * Makes the model.
 *
 * @param from - posternd.toml, for errors
 * @param knockPort - where native knocks arrive, which is where packets of fwknop are heard too when nothing is said
 * @throws PersonError `FILE:LINE:COLUMN: …` for the first thing that is wrong, in either file
 */
export function readFwknop(from: TomlFile, raw: FwknopTable, keys: FwknopKeys, knockPort: number): Fwknop {
  const stanzas = Object.entries(raw.stanzas ?? {});
  for (const name of keys.stanzas.keys()) {
    if (raw.stanzas?.[name] !== undefined) continue;
    const near = nearest(
      name,
      stanzas.map(([known]) => known),
    );
    const hint = near === undefined ? `remove it, or write [fwknop.stanzas.${name}]` : `did you mean [${near}]?`;
    throw errorAt(keys.from, [name], `there is no stanza ${name} in ${from.file}`, hint);
  }
  return {
    hear: readHearings(from, raw.hear, knockPort),
    maxAge: raw.max_age === 'any' ? undefined : (raw.max_age ?? DEFAULT_MAX_AGE),
    natNames: raw.nat_names ?? false,
    budget: raw.budget ?? true,
    stanzas: stanzas.map(([name, table]) => {
      const refuse: Refuse = (path, message, hint) =>
        errorAt(
          from,
          ['fwknop', 'stanzas', name, ...path],
          `fwknop.stanzas.${name}${path.map((it) => (typeof it === 'number' ? `[${it + 1}]` : `.${it}`)).join('')}: ${message}`,
          hint,
        );
      const refuseKey: RefuseKey = (key, message, hint) =>
        errorAt(keys.from, key === undefined ? [name] : [name, key], `${name}: ${message}`, hint);
      return readStanza(name, table, keys.stanzas.get(name) ?? {}, refuse, refuseKey);
    }),
  };
}

function readHearings(from: TomlFile, raw: readonly string[] | undefined, knockPort: number): readonly FwknopHearing[] {
  if (raw === undefined) return [{ protocol: 'udp', first: knockPort, last: knockPort }];
  const hear = raw.flatMap((text) => parseHearing(text) ?? []);
  const shown = hear.map(formatHearing);
  const double = shown.findIndex((text, i) => shown.indexOf(text) !== i);
  if (double !== -1)
    throw errorAt(from, ['fwknop', 'hear', double], `fwknop.hear: ${shown[double] ?? ''} is listed twice`);
  return hear;
}

function readStanza(
  name: string,
  table: StanzaTable,
  keys: StanzaKeys,
  refuse: Refuse,
  refuseKey: RefuseKey,
): FwknopStanza {
  checkPairs(table, refuse);
  return {
    name,
    sources: readSources(table.source, ['source'], refuse),
    destinations: table.destination === undefined ? undefined : readSources(table.destination, ['destination'], refuse),
    cipher: readCipher(table, keys, refuse, refuseKey),
    hmac: readHmac(table, keys, refuseKey),
    openPorts: table.open_ports === undefined ? undefined : readPorts(table.open_ports, 'open_ports', refuse),
    restrictPorts: readPorts(table.restrict_ports ?? [], 'restrict_ports', refuse),
    seconds: (table.seconds ?? DEFAULT_SECONDS) as Seconds,
    maxSeconds: (table.max_seconds ?? DEFAULT_MAX_SECONDS) as Seconds,
    requireSourceAddress: table.require_source_address ?? true,
    requireUser: table.require_user,
    expires: table.expires === undefined ? undefined : ((table.expires.getTime() * 1000) as UnixMicros),
    singleUse: table.single_use ?? false,
    commandUser: table.command_user,
    commandPrefix: table.command_prefix ?? [],
    timeLimit: table.time_limit ?? DEFAULT_TIME_LIMIT,
    cycle:
      table.cycle === undefined
        ? undefined
        : {
            open: table.cycle.open,
            close: table.cycle.close,
            closeAfter: table.cycle.close_after ?? DEFAULT_CLOSE_AFTER,
          },
    cycleUser: table.cycle?.user ?? 'nobody',
    nat: readNat(table),
  };
}

/** Which keys belong together, and which exclude each other. */
function checkPairs(table: StanzaTable, refuse: Refuse): void {
  if (table.gpg !== undefined && table.mode !== undefined)
    throw refuse(['mode'], 'packets are encrypted with a key or with gpg, not both', 'make it two stanzas');
  const belongs = (key: keyof StanzaTable, to: readonly (keyof StanzaTable)[]): void => {
    if (table[key] === undefined || to.some((other) => table[other] !== undefined && table[other] !== false)) return;
    throw refuse([key], `it says nothing without ${to.map((other) => `\`${other}\``).join(' or ')}`);
  };
  belongs('command_prefix', ['command_user']);
  belongs('time_limit', ['command_user', 'cycle']);
  belongs('masquerade', ['forward', 'forward_local', 'forward_to']);
  if (table.cycle?.close_after !== undefined && table.cycle.close === undefined)
    throw refuse(['cycle', 'close_after'], 'it says nothing without `close`');
}

function readSources(raw: readonly string[], path: Path, refuse: Refuse): readonly Source[] {
  if (!raw.includes('any')) return raw.flatMap((text) => parsePrefix(text) ?? []);
  if (raw.length > 1) throw refuse([...path, raw.indexOf('any')], '"any" stands alone');
  return ANYWHERE;
}

function readPorts(raw: readonly string[], key: string, refuse: Refuse): readonly Endpoint[] {
  const double = raw.findIndex((text, i) => raw.indexOf(text) !== i);
  if (double !== -1) throw refuse([key, double], `${raw[double] ?? ''} is listed twice`);
  return raw.flatMap((text) => parseEndpoint(text) ?? []);
}

const ADD = 'in fwknop.keys, as base64';

function readCipher(table: StanzaTable, keys: StanzaKeys, refuse: Refuse, refuseKey: RefuseKey): FwknopCipher {
  if (table.gpg !== undefined) {
    if (keys.key !== undefined) throw refuseKey('key', 'its packets are encrypted with gpg, which needs no `key`');
    return readGpg(table.gpg, keys, refuse);
  }
  if (keys.passphrase !== undefined) throw refuseKey('passphrase', 'it says nothing without `gpg` in the stanza');
  if (keys.key === undefined) throw refuseKey(undefined, '`key` is missing', `the key that its client has, ${ADD}`);
  return { kind: 'symmetric', key: keys.key, mode: table.mode ?? 'cbc' };
}

function readGpg(gpg: GpgTable, keys: StanzaKeys, refuse: Refuse): FwknopCipher {
  const unsigned = gpg.unsigned ?? false;
  if (unsigned === (gpg.signers !== undefined)) {
    throw refuse(
      unsigned ? ['gpg', 'unsigned'] : ['gpg'],
      unsigned ? 'packets are signed by `signers`, or unsigned, not both' : '`signers` is missing',
      'signers = ["FINGERPRINT"], of the key that signs; everybody can encrypt for a public key',
    );
  }
  if (unsigned && gpg.ignore_bad_signature !== undefined)
    throw refuse(['gpg', 'ignore_bad_signature'], 'it says nothing without `signers`');
  return {
    kind: 'gpg',
    home: gpg.home,
    program: gpg.program ?? DEFAULT_GPG,
    passphrase: keys.passphrase,
    signers: gpg.signers,
    ignoreBadSignature: gpg.ignore_bad_signature ?? false,
  };
}

function readHmac(table: StanzaTable, { key, hmacKey }: StanzaKeys, refuseKey: RefuseKey): FwknopHmacKey | undefined {
  if (table.hmac === 'none') {
    if (hmacKey !== undefined) throw refuseKey('hmac_key', 'the stanza says hmac = "none"', 'remove one of the two');
    return undefined;
  }
  if (hmacKey === undefined) {
    throw refuseKey(
      undefined,
      '`hmac_key` is missing',
      `the key that its client has, ${ADD}; or hmac = "none" in the stanza, which is weak`,
    );
  }
  if (key !== undefined && Buffer.from(key.reveal()).equals(hmacKey.reveal()))
    throw refuseKey('hmac_key', 'it is the same as `key`', 'make two keys: `fwknop --key-gen`');
  return { digest: table.hmac ?? 'sha256', key: hmacKey };
}

function readNat(table: StanzaTable): FwknopNat {
  const to = table.forward_to === undefined ? undefined : parseForward(table.forward_to);
  return {
    forward: table.forward ?? false,
    local: table.forward_local ?? false,
    force: to?.port === undefined ? undefined : { address: to.address, port: to.port },
    masquerade: table.masquerade ?? false,
  };
}
