import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { test } from 'node:test';
import {
  boundPorts,
  concat,
  deriveEpochKeys,
  deviceIdOf,
  epochOf,
  importSigner,
  importStaticPrivate,
  keyedPorts,
  knockOrder,
  parseAddress,
  sealRequest,
  slotOf,
  type RequestId,
  type ServiceName,
  type Signer,
  type Statement,
  type UnixMicros,
} from '@postern/protocol';
import { sealFwknop, type FwknopMessage } from '@postern/protocol/fwknop';
import { makeGateSecrets, writeGateKey, type GateSecrets } from './config/gate-key.ts';
import { makePlace, type Place } from './config/testing.ts';
import { LINKS, pcap, pcapng, udp, type End, type Recorded } from './replay/recording.fixture.ts';

const random = (size: number): Uint8Array => new Uint8Array(randomBytes(size));
const SECOND = 1_000_000;
/** 2026-05-04T12:00:00Z. */
const NOON = Date.UTC(2026, 4, 4, 12) * 1000;
const HOME: End = ['192.0.2.7', 40_000];
const ELSEWHERE: End = ['198.51.100.9', 41_000];
const GATE: End = ['203.0.113.5', 62_201];
const GATE6: End = ['2001:db8::5', 62_201];

/** A directory with the configuration of a gate, its keys, two devices and some stanzas; and what these would send. */
class World implements Disposable {
  readonly place: Place = makePlace();
  readonly secrets: GateSecrets = makeGateSecrets(random);
  readonly laptop: Signer = importSigner(random(32));
  readonly phone: Signer = importSigner(random(32));
  readonly knockKey = random(32);
  readonly keys = { home: { key: random(32), hmac: random(64) }, shell: { key: random(16), hmac: random(32) } };
  readonly #stateId = random(8);

  constructor() {
    const { place } = this;
    place.write(
      'posternd.toml',
      `[gate]
[services.ssh]
ports = ["tcp/22"]
seconds = 30
single_use = true
[services.web]
ports = ["tcp/443", "udp/443"]
seconds = 60
observed_source = true
keyed = true
[doors.front]
sequence = ["tcp/7000", "udp/8000", "tcp/9000"]
service = "ssh"
[fwknop.stanzas.home]
source = ["192.0.2.0/24"]
hmac = "sha256"
open_ports = ["tcp/22", "tcp/8080"]
seconds = 20
require_source_address = false
[fwknop.stanzas.shell]
source = ["any"]
hmac = "sha512"
command_user = "nobody"
require_source_address = false
`,
    );
    const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
    const device = (name: string, { publicKey }: Signer): string =>
      `[[devices]]\nname = "${name}"\ned25519 = "${base64(publicKey)}"\n`;
    place.write('users.d/alice.toml', `services = ["ssh", "web"]\n${device('laptop', this.laptop)}`);
    place.write('users.d/bob.toml', `services = ["web"]\n${device('phone', this.phone)}`);
    writeGateKey(place.path('gate.key'), this.secrets);
    place.write(
      'knock.keys',
      `${deviceIdOf(this.laptop.publicKey)} = ["${Buffer.from(this.knockKey).toString('hex')}"]\n`,
    );
    const stanzas = Object.entries(this.keys).map(
      ([name, { key, hmac }]) => `[${name}]\nkey = "${base64(key)}"\nhmac_key = "${base64(hmac)}"\n`,
    );
    place.write('fwknop.keys', stanzas.join(''));
  }

  knock(signer: Signer, time: number, more: Partial<Statement>, suite: 1 | 2 = 1, secrets = this.secrets): Uint8Array {
    const gate = importStaticPrivate(suite, suite === 1 ? secrets.x25519 : secrets.xwing).public;
    const statement: Statement = {
      kind: 'open',
      singleUse: false,
      device: deviceIdOf(signer.publicKey),
      era: 0,
      time: time as UnixMicros,
      stateId: this.#stateId,
      requestId: Buffer.from(random(8)).toString('hex') as RequestId,
      audience: gate.audience,
      source: { type: 'observed' },
      seconds: 0,
      service: 'web' as ServiceName,
      newDevice: undefined,
      ...more,
    };
    const keys = deriveEpochKeys(secrets.keys.current, epochOf(time as UnixMicros));
    return sealRequest({ gate, keys, statement, signer, random }).packet;
  }

  fwknop(
    stanza: 'home' | 'shell',
    time: number,
    more: Partial<FwknopMessage> = {},
    key = this.keys[stanza].key,
  ): Uint8Array {
    const message = {
      kind: 'access',
      random: '1234567890123456',
      user: 'alice',
      time: Math.floor(time / SECOND),
      version: '3.0.0',
      source: undefined,
      ports: [{ protocol: 'tcp', port: 22 }],
      timeout: 0,
      ...more,
    } as FwknopMessage;
    const { hmac } = this.keys[stanza];
    const authenticated = { digest: stanza === 'home' ? 'sha256' : 'sha512', key: hmac } as const;
    return sealFwknop({ message, digest: 'sha256', mode: 'cbc', key, hmac: authenticated, salt: random(8) });
  }

  /** Runs the command as a process, and sees that it leaves all files as they were. */
  replay(file: Uint8Array, ...options: string[]): { code: number | null; lines: string[]; err: string } {
    const recording = this.place.write('knocks.pcap', file);
    const before = this.#files();
    const program = [process.execPath, '--conditions=source', join(import.meta.dirname, 'main.ts')] as const;
    const config = options.includes('--config') ? [] : ['--config', this.place.path('posternd.toml')];
    const line = ['replay', ...config, ...options, recording];
    const { status, stdout, stderr } = spawnSync(program[0], [program[1], program[2], ...line], { encoding: 'utf8' });
    assert.deepEqual(this.#files(), before, 'it writes nothing');
    return { code: status, lines: stdout.trimEnd().split('\n'), err: stderr };
  }

  #files(): string[] {
    return readdirSync(this.place.directory, { recursive: true, withFileTypes: true })
      .filter((it) => it.isFile())
      .map(({ parentPath, name }) => join(parentPath, name))
      .map((path) => `${path} ${createHash('sha256').update(readFileSync(path)).digest('hex')}`)
      .sort();
  }

  [Symbol.dispose](): void {
    this.place[Symbol.dispose]();
  }
}

interface Line {
  readonly packet?: number;
  readonly verdict?: string;
  readonly reason?: string;
  readonly form?: string;
  readonly grants?: readonly {
    readonly endpoints: readonly string[];
    readonly source: string;
    readonly until: string;
  }[];
  readonly commands?: readonly (readonly string[])[];
  readonly summary?: Record<string, unknown>;
}

const json = (lines: readonly string[]): Line[] => lines.map((line) => JSON.parse(line) as Line);
const short = ({ packet, form, verdict, reason }: Line): unknown[] =>
  [packet, form, verdict, reason].filter((it) => it !== undefined);

const stated = ([address]: End): Partial<Statement> => ({
  source: { type: 4, prefix: 32, address: parseAddress(address) ?? assert.fail(address) },
});
const ETHERNET = { little: true, nanos: false, linkType: 1 };
const ethernet = LINKS[0]?.[2] ?? assert.fail();
const frames = (packets: readonly (readonly [seconds: number, ip: Uint8Array])[]): Recorded[] =>
  packets.map(([seconds, ip]) => ({ time: NOON + seconds * SECOND, bytes: ethernet(ip) }));

test('native knocks are judged as they would have been judged when they came', () => {
  using world = new World();
  const open = world.knock(world.laptop, NOON, { service: 'ssh' as ServiceName, ...stated(HOME) });
  const other = makeGateSecrets(random);
  const file = pcap(
    ETHERNET,
    frames([
      [0, udp(HOME, GATE, open)],
      [1, udp(HOME, GATE, open)],
      [2, udp(ELSEWHERE, GATE, open)],
      [3, udp(HOME, GATE, world.knock(world.phone, NOON + 3 * SECOND, {}, 2))],
      [
        4,
        udp(
          HOME,
          GATE,
          world.knock(world.phone, NOON + 4 * SECOND, { service: 'ssh' as ServiceName, ...stated(HOME) }),
        ),
      ],
      [5, udp(HOME, GATE, world.knock(world.laptop, NOON, {}, 1, other))],
      [6, udp(HOME, GATE, world.knock(world.laptop, NOON - 600 * SECOND, {}))],
      [7, udp(HOME, ['203.0.113.5', 62_202], world.knock(world.laptop, NOON + 7 * SECOND, {}))],
      [8, udp(HOME, GATE, world.knock(world.laptop, NOON + 8 * SECOND, { stateId: new Uint8Array(8) }))],
      [9, udp(HOME, GATE, world.knock(importSigner(random(32)), NOON + 9 * SECOND, {}))],
      [10, udp(HOME, GATE, random(100))],
      [11, udp(HOME, GATE, world.knock(world.phone, NOON + 11 * SECOND, { kind: 'close' }))],
    ]),
  );
  const { code, lines, err } = world.replay(file, '--json');
  assert.equal(err, '');
  assert.equal(code, 0);
  const told = json(lines);
  assert.deepEqual(told.slice(0, -1).map(short), [
    [1, 'spa', 'would-open'],
    [2, 'spa', 'refused', 'duplicate'],
    [3, 'spa', 'refused', 'source'],
    [4, 'spa', 'would-open'],
    [5, 'spa', 'refused', 'not-permitted'],
    [6, 'spa', 'refused', 'tag'],
    [7, 'spa', 'refused', 'stale'],
    [8, 'spa', 'refused', 'port'],
    [9, 'spa', 'refused', 'resync'],
    [10, 'spa', 'refused', 'device-unknown'],
    [12, 'spa', 'would-close'],
  ]);
  assert.deepEqual(told[3]?.grants, [
    { endpoints: ['tcp/443', 'udp/443'], source: '192.0.2.7', until: '2026-05-04T12:01:03.000000Z', once: false },
  ]);
  assert.equal(told.at(-1)?.summary?.['packets'], 12);
  assert.equal(told.at(-1)?.summary?.['others'], 1);
});

test("packets of fwknop's format are judged as they would have been, and commands are named and not run", () => {
  using world = new World();
  const open = world.fwknop('home', NOON);
  const late = world.fwknop('home', NOON - 900 * SECOND);
  // With it a packet has not even the form, so it is counted and not told of.
  const equals = concat(open, new TextEncoder().encode('='));
  const command = 'touch "/tmp/a b"';
  const file = pcapng(
    ETHERNET,
    frames([
      [0, udp(HOME, GATE, open)],
      [1, udp(HOME, GATE, open)],
      [2, udp(['192.0.2.8', 40_000], GATE, open)],
      [3, udp(HOME, GATE, equals)],
      [4, udp(HOME, GATE, world.fwknop('home', NOON, {}, random(32)))],
      [5, udp(ELSEWHERE, GATE, world.fwknop('home', NOON))],
      [6, udp(HOME, ['203.0.113.5', 62_203], world.fwknop('home', NOON))],
      [7, udp(HOME, GATE, late)],
      [8, udp(HOME, GATE, world.fwknop('home', NOON, { ports: [{ protocol: 'tcp', port: 25 }] }))],
      [9, udp(ELSEWHERE, GATE, world.fwknop('shell', NOON, { kind: 'command', command }))],
      [10, udp(HOME, GATE, world.fwknop('home', NOON, { kind: 'command', command }))],
    ]),
  );
  const { code, lines } = world.replay(file, '--json');
  assert.equal(code, 0);
  const told = json(lines);
  assert.deepEqual(told.slice(0, -1).map(short), [
    [1, 'fwknop', 'would-open'],
    [2, 'fwknop', 'refused', 'duplicate'],
    [3, 'fwknop', 'refused', 'replayed'],
    [5, 'fwknop', 'refused', 'field'],
    [6, 'fwknop', 'refused', 'no-key'],
    [7, 'fwknop', 'refused', 'port'],
    [8, 'fwknop', 'refused', 'age'],
    [9, 'fwknop', 'refused', 'ports'],
    [10, 'fwknop', 'would-run'],
    [11, 'fwknop', 'refused', 'command-off'],
  ]);
  assert.deepEqual(told[0]?.grants, [
    { endpoints: ['tcp/22'], source: '192.0.2.7', until: '2026-05-04T12:00:20.000000Z', once: true },
  ]);
  assert.deepEqual(told[8]?.commands, [['touch', '/tmp/a b']]);
  for (const { key, hmac } of Object.values(world.keys))
    for (const secret of [key, hmac]) assert.ok(!lines.join('\n').includes(Buffer.from(secret).toString('base64')));
});

test('text is one line a packet and a summary, whatever link the packets came by', () => {
  using world = new World();
  for (const [name, linkType, wrap] of LINKS) {
    const ip = udp(['2001:db8::7', 40_000], GATE6, world.knock(world.laptop, NOON + 123_456, {}));
    const noise = udp(HOME, GATE, Uint8Array.of(1, 2, 3));
    const packets = [ip, noise].map((bytes) => ({ time: NOON + 123_456, bytes: wrap(bytes) }));
    const { code, lines } = world.replay(pcap({ little: false, nanos: true, linkType }, packets), '--all');
    assert.equal(code, 0, name);
    assert.deepEqual(
      lines,
      [
        '2026-05-04T12:00:00.123456Z  [2001:db8::7]:40000 -> [2001:db8::5]:62201  SPA suite 1, device laptop of alice, open web: would open tcp/443 udp/443 for 2001:db8::7 until 2026-05-04T12:01:00.123456Z',
        '2026-05-04T12:00:00.123456Z  192.0.2.7:40000 -> 203.0.113.5:62201  udp, no form of a knock',
        '',
        'packets 2, from 2026-05-04T12:00:00.123456Z to 2026-05-04T12:00:00.123456Z',
        'let in 1, refused 0, no form of a knock 1',
      ],
      name,
    );
  }
});

/** A TCP packet with SYN alone. */
function syn(from: End, to: End): Uint8Array {
  const packet = concat(udp(from, to, new Uint8Array(12)));
  packet[9] = 6;
  packet.set([0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 4, 0, 0, 0, 0, 0], 24);
  return packet;
}

test('doors and keyed knocks are judged, too', () => {
  using world = new World();
  const at = (port: number): End => ['203.0.113.5', port];
  const slot = slotOf(NOON as UnixMicros);
  const web = 'web' as ServiceName;
  const address = parseAddress(HOME[0]) ?? assert.fail();
  const numbers = knockOrder(
    keyedPorts(world.knockKey, slot, web),
    boundPorts(world.knockKey, slot, web, address),
    random,
  );
  const file = pcap(
    ETHERNET,
    frames([
      [0, syn(ELSEWHERE, at(7000))],
      [0.5, udp(ELSEWHERE, at(8000), new Uint8Array(4))],
      [1, syn(ELSEWHERE, at(9000))],
      ...numbers.map((number, index) => [2 + index / 100, udp(HOME, at(number), new Uint8Array(0))] as const),
    ]),
  );
  const { lines } = world.replay(file, '--json');
  const told = json(lines).slice(0, -1);
  assert.deepEqual(
    told.map(({ form, verdict }) => [form, verdict]),
    [
      ['door', 'would-open'],
      ['keyed', 'would-open'],
    ],
  );
  assert.deepEqual(told[0]?.grants?.[0]?.endpoints, ['tcp/22']);
});

test('a file that ends too early is read as far as it goes, and what is none is an error with a hint', () => {
  using world = new World();
  const file = pcap(ETHERNET, frames([[0, udp(HOME, GATE, world.knock(world.laptop, NOON, {}))]]));
  const short = world.replay(concat(file, Uint8Array.of(1, 2, 3)));
  assert.equal(short.code, 0);
  assert.match(
    short.err,
    /warning: .*ends in the middle of a packet or block, at byte \d+; what is before that was read/,
  );
  assert.match(short.lines[0] ?? '', /would open/);
  const none = world.replay(new TextEncoder().encode('no such thing'));
  assert.equal(none.code, 1);
  assert.match(none.err, /error: .*knocks\.pcap: is no recording of packets[\s\S]*hint: `tcpdump -w FILE/);
  const usb = world.replay(pcap({ ...ETHERNET, linkType: 189 }, [{ time: NOON, bytes: random(64) }]));
  assert.equal(usb.code, 1);
  assert.match(usb.err, /LINKTYPE 189/);
});

test('a directory of fwknop is enough', () => {
  using world = new World();
  const { key, hmac } = world.keys.home;
  const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
  const { place } = world;
  place.write('fwknop/fwknopd.conf', 'PCAP_INTF eth0;\n');
  place.write(
    'fwknop/access.conf',
    `SOURCE ANY\nOPEN_PORTS tcp/22\nKEY_BASE64 ${base64(key)}\nHMAC_KEY_BASE64 ${base64(hmac)}\nREQUIRE_SOURCE_ADDRESS N\n`,
  );
  const file = pcap(
    ETHERNET,
    frames([
      [0, udp(ELSEWHERE, GATE, world.fwknop('home', NOON))],
      [1, udp(HOME, GATE, world.knock(world.laptop, NOON, {}))],
    ]),
  );
  const { code, lines, err } = world.replay(
    file,
    '--json',
    '--fwknop',
    place.path('fwknop'),
    '--config',
    place.path('none.toml'),
  );
  assert.equal(code, 0, err);
  assert.deepEqual(json(lines).slice(0, -1).map(short), [[1, 'fwknop', 'would-open']]);
  assert.match(err, /warning: there is no .*none\.toml: native knocks are not judged/);
});
