/** One way of using fwknop: what the server's access.conf says of it, and how the client is called. */
import { randomBytes } from 'node:crypto';
import type { GpgHome } from './gpg-home.ts';
import { pairwise, type CellOf } from './pairwise.ts';

const DIMENSIONS = {
  mode: ['cbc', 'ctr', 'cfb', 'ofb', 'ecb', 'legacy', 'asymmetric'],
  hmac: ['none', 'md5', 'sha1', 'sha256', 'sha384', 'sha512', 'sha3_256', 'sha3_512'],
  type: ['command', 'access', 'nat', 'access-timeout', 'nat-timeout', 'local-nat', 'local-nat-timeout'],
  transport: ['udp', 'udpraw', 'tcpraw', 'icmp', 'tcp', 'http'],
  digest: ['md5', 'sha1', 'sha256', 'sha384', 'sha512', 'sha3_256', 'sha3_512'],
  key: ['passphrase', 'base64', 'gpg'],
  hmacKey: ['none', 'passphrase', 'base64'],
  options: ['rc', 'arguments'],
} as const;

/** A cell of the table. */
export type FwknopCell = CellOf<typeof DIMENSIONS>;

/** Why the real client or server cannot have some cells, in its own words where it has any. */
export interface FwknopException {
  readonly cells: Readonly<{ [K in keyof FwknopCell]?: FwknopCell[K] }>;
  readonly reason: string;
}

/** Whether a cell is one of an exception. */
function isExcepted(cell: FwknopCell, exceptions: readonly FwknopException[]): boolean {
  return exceptions.some(({ cells }) =>
    Object.entries(cells).every(([name, value]) => Object.entries(cell).some(([a, b]) => a === name && b === value)),
  );
}

/**
 * Every value of every dimension, every pair of mode and HMAC, every pair of message type and transport. `asymmetric` is GPG, which has no
 * passphrase and no other mode.
 */
export function fwknopCells(exceptions: readonly FwknopException[]): FwknopCell[] {
  return pairwise(
    DIMENSIONS,
    [
      ['mode', 'hmac'],
      ['type', 'transport'],
    ],
    (cell) =>
      (cell.mode === 'asymmetric') === (cell.key === 'gpg') &&
      (cell.hmac === 'none') === (cell.hmacKey === 'none') &&
      !isExcepted(cell, exceptions),
  );
}

/** Ports that a type of message opens, and where they lead. Types without an own answer have that of the type they lengthen. */
export const FWKNOP_PORTS = {
  /** Opened on the gate. */
  access: 8022,
  /** Forwarded from the gate to the same service of the inner host. */
  nat: 8023,
  /** Forwarded within the gate, to `local`. */
  localNat: 8024,
  local: 8025,
  /** Opened by what a command tells the controller. */
  command: 8026,
  /** Where commands reach the controller on the gate's loopback. */
  controller: 9000,
} as const;

/** Seconds for which a cell's port stays open. */
export const FWKNOP_SECONDS = 4;

/** The gate's end and the inner host. */
export interface FwknopPlaces {
  readonly gate: string;
  readonly inner: string;
}

/** Credentials of a cell, and its name, which is also its user's. */
export class FwknopUse {
  readonly cell: FwknopCell;
  readonly name: string;
  /** Whom the port is opened for. */
  readonly source: string;
  /** As the source port of a command's connection it says which cell ran it. */
  readonly number: number;
  readonly #key: string;
  readonly #hmacKey: string;
  readonly #places: FwknopPlaces;
  readonly #gpg: { readonly client: GpgHome; readonly server: GpgHome };

  constructor(
    cell: FwknopCell,
    number: number,
    source: string,
    places: FwknopPlaces,
    gpg: { readonly client: GpgHome; readonly server: GpgHome },
  ) {
    this.cell = cell;
    this.name = `cell${String(number)}`;
    this.source = source;
    this.number = number;
    this.#places = places;
    this.#gpg = gpg;
    // A passphrase for the legacy mode has at most 16 characters.
    this.#key =
      cell.key === 'base64' ? randomBytes(32).toString('base64') : randomBytes(12).toString('hex').slice(0, 16);
    this.#hmacKey = cell.hmacKey === 'base64' ? randomBytes(64).toString('base64') : randomBytes(12).toString('hex');
  }

  /** The port to connect to on the gate, and what the service there says. */
  get target(): { readonly port: number; readonly banner: string } {
    const { type } = this.cell;
    if (type === 'command') return { port: FWKNOP_PORTS.command, banner: 'command' };
    if (type.startsWith('nat')) return { port: FWKNOP_PORTS.nat, banner: 'inner' };
    if (type.startsWith('local-nat')) return { port: FWKNOP_PORTS.localNat, banner: 'local' };
    return { port: FWKNOP_PORTS.access, banner: 'gate' };
  }

  /** The client names the time itself; the stanza's own would be much longer. */
  get #timed(): boolean {
    return this.cell.type.endsWith('-timeout');
  }

  /** Its stanza of access.conf. */
  stanza(): string {
    const { mode, hmac, type, key, hmacKey } = this.cell;
    const { server, client } = this.#gpg;
    const lines = [
      ['SOURCE', 'ANY'],
      ['REQUIRE_USERNAME', this.name],
      ['REQUIRE_SOURCE_ADDRESS', 'Y'],
      ['FW_ACCESS_TIMEOUT', this.#timed ? '60' : String(FWKNOP_SECONDS)],
      ...(key === 'gpg'
        ? [
            ['GPG_HOME_DIR', server.directory],
            ['GPG_DECRYPT_ID', server.fingerprint],
            ['GPG_ALLOW_NO_PW', 'Y'],
            ['GPG_FINGERPRINT_ID', client.fingerprint],
          ]
        : [
            [key === 'base64' ? 'KEY_BASE64' : 'KEY', this.#key],
            ['ENCRYPTION_MODE', mode],
          ]),
      ...(hmacKey === 'none'
        ? [['ALLOW_NO_HMAC', 'Y']]
        : [
            [hmacKey === 'base64' ? 'HMAC_KEY_BASE64' : 'HMAC_KEY', this.#hmacKey],
            ['HMAC_DIGEST_TYPE', hmac],
          ]),
      ...(type === 'command'
        ? [
            ['ENABLE_CMD_EXEC', 'Y'],
            ['CMD_EXEC_USER', 'nobody'],
          ]
        : [['OPEN_PORTS', `tcp/${String(this.target.port)}`]]),
    ];
    return lines.map((line) => `${line.join(' ')};\n`).join('');
  }

  /** What the client is told: text for its rc file, and its arguments. */
  request(): { readonly rc: string; readonly args: readonly string[] } {
    const settings = this.#settings();
    const inFile = this.cell.options === 'rc' ? settings.filter(({ rc }) => rc !== undefined) : [];
    const args = settings
      .filter((it) => !inFile.includes(it))
      .flatMap(({ option, value }) => [option, ...(value === undefined ? [] : [value])]);
    const rc = inFile.map((it) => `${String(it.rc)} ${it.value ?? 'Y'}\n`).join('');
    return {
      rc: `[${this.name}]\n${rc}`,
      args: [...(rc === '' ? ['--no-rc-file'] : ['-n', this.name]), '--no-save-args', ...args],
    };
  }

  #settings(): { readonly option: string; readonly rc?: string; readonly value?: string }[] {
    const { mode, hmac, digest, type, transport, key, hmacKey } = this.cell;
    const { gate, inner } = this.#places;
    const { client, server } = this.#gpg;
    const encoded = key === 'base64';
    const hmacEncoded = hmacKey === 'base64';
    const nat = type.startsWith('nat')
      ? `${inner}:${String(FWKNOP_PORTS.access)}`
      : `${gate}:${String(FWKNOP_PORTS.local)}`;
    const command = `/bin/nc -z -p ${String(20_000 + this.number)} 127.0.0.1 ${String(FWKNOP_PORTS.controller)}`;
    return [
      { option: '-D', rc: 'SPA_SERVER', value: gate },
      { option: '-P', rc: 'SPA_SERVER_PROTO', value: transport },
      { option: '-a', rc: 'ALLOW_IP', value: this.source },
      { option: '-U', rc: 'SPOOF_USER', value: this.name },
      { option: '-m', rc: 'DIGEST_TYPE', value: digest },
      ...(key === 'gpg'
        ? [
            { option: '-g', rc: 'USE_GPG' },
            { option: '--gpg-recipient-key', rc: 'GPG_RECIPIENT', value: server.fingerprint },
            { option: '--gpg-signer-key', rc: 'GPG_SIGNER', value: client.fingerprint },
            { option: '--gpg-home-dir', rc: 'GPG_HOMEDIR', value: client.directory },
            { option: '--gpg-no-signing-pw', rc: 'GPG_NO_SIGNING_PW' },
          ]
        : [
            {
              option: encoded ? '--key-base64-rijndael' : '--key-rijndael',
              rc: encoded ? 'KEY_BASE64' : 'KEY',
              value: this.#key,
            },
            { option: '-M', rc: 'ENCRYPTION_MODE', value: mode },
          ]),
      ...(hmacKey === 'none'
        ? []
        : [
            {
              option: hmacEncoded ? '--key-base64-hmac' : '--key-hmac',
              rc: hmacEncoded ? 'HMAC_KEY_BASE64' : 'HMAC_KEY',
              value: this.#hmacKey,
            },
            { option: '--hmac-digest-type', rc: 'HMAC_DIGEST_TYPE', value: hmac },
          ]),
      ...(type === 'command'
        ? [{ option: '-C', value: command }]
        : [{ option: '-A', rc: 'ACCESS', value: `tcp/${String(this.target.port)}` }]),
      ...(type.includes('nat') ? [{ option: '-N', rc: 'NAT_ACCESS', value: nat }] : []),
      ...(type.startsWith('local-nat') ? [{ option: '--nat-local', rc: 'NAT_LOCAL' }] : []),
      ...(this.#timed ? [{ option: '-f', rc: 'FW_TIMEOUT', value: String(FWKNOP_SECONDS) }] : []),
    ];
  }
}
