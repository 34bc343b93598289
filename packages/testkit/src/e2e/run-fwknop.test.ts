import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import process from 'node:process';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { FwknopClient, fwknopAvailable } from '../fwknop-client.ts';
import { PROGRAMS } from '../gate-process.ts';
import { DEVICE, GATE, Household, STRANGER } from '../household.ts';
import { inNamespace } from '../in-namespace.ts';
import { GpgHome } from '../gpg-home.ts';
import { Namespace, namespacesAvailable } from '../namespace.ts';

const able = namespacesAvailable() && fwknopAvailable();
const skip = able || process.env['CI'] === 'true' ? false : 'NEEDS ROOT AND fwknop: script/bootstrap test';

const PORT = 8022;
/** Throw-away keys. */
const ACCESS = `SOURCE ANY
KEY_BASE64 ${Buffer.alloc(32, 7).toString('base64')}
HMAC_KEY_BASE64 ${Buffer.alloc(64, 9).toString('base64')}
OPEN_PORTS tcp/${String(PORT)}
FW_ACCESS_TIMEOUT 3
`;
const RC = `[gate]
SPA_SERVER ${GATE[4]}
ACCESS tcp/${String(PORT)}
ALLOW_IP ${DEVICE[4]}
KEY_BASE64 ${Buffer.alloc(32, 7).toString('base64')}
HMAC_KEY_BASE64 ${Buffer.alloc(64, 9).toString('base64')}
`;

/** A gate that runs from these files, with a service at {@link PORT} that it hides. */
async function build(
  capture: 'packet' | 'dgram',
  access?: (gateSide: Namespace) => Promise<string>,
): Promise<Household & { readonly service: Server }> {
  const house = await Household.build({
    start: false,
    gate: `capture = "${capture}"`,
    services: `[services.web]\nports = ["tcp/${String(PORT)}"]\nprotect = true\n`,
  });
  const { gate, gateSide } = house;
  const directory = join(gate.directory, 'fwknop');
  mkdirSync(directory);
  writeFileSync(join(directory, 'fwknopd.conf'), 'PCAP_INTF eth0;\n');
  writeFileSync(join(directory, 'access.conf'), (await access?.(gateSide)) ?? ACCESS, { mode: 0o600 });
  const service = createServer((socket) => {
    socket.destroy();
  }).unref();
  await inNamespace(gateSide, () => new Promise<void>((done) => service.listen(PORT, '::', done)));
  await gate.startProgram(PROGRAMS.posternd[2], ['run', '--fwknop', directory, '--config', gate.config]);
  return Object.assign(house, { service });
}

/** Whether the port opens for the device within some seconds. */
async function opens(house: Household, from: string = DEVICE[4]): Promise<boolean> {
  for (const deadline = Date.now() + 3_000; Date.now() < deadline;)
    if (await house.reaches(PORT, from, 200)) return true;
  return false;
}

async function closes(house: Household, from: string = DEVICE[4]): Promise<boolean> {
  for (const deadline = Date.now() + 8_000; Date.now() < deadline;) {
    if (!(await house.reaches(PORT, from, 200))) return true;
    await sleep(100);
  }
  return false;
}

/** Sends a payload from an address of the world. */
async function send(house: Household, from: string, payload: string): Promise<void> {
  await inNamespace(house.world, async () => {
    const socket = createSocket('udp4').bind(0, from);
    await once(socket, 'listening');
    await new Promise((done) => {
      socket.send(payload, 62_201, GATE[4], done);
    });
    socket.close();
  });
}

for (const capture of ['packet', 'dgram'] as const)
  test(
    `posternd runs straight from fwknopd's configuration, for the real client, ${capture} capture`,
    { skip, timeout: 90_000 },
    async () => {
      await using house = await build(capture);
      using client = new FwknopClient(house.world);
      client.configure(RC);
      assert.equal(await house.reaches(PORT, DEVICE[4], 200), false);
      const saved = join(client.home, 'packet');
      const { code, out, err } = await client.run('-n', 'gate', '--no-save-args', '-B', saved);
      assert.equal(code, 0, out + err);
      assert.ok(await opens(house), house.gate.log);
      assert.equal(await house.reaches(PORT, STRANGER[4], 200), false);
      assert.ok(await closes(house), house.gate.log);

      // Within its two minutes, from anywhere, as it was or written in another way: it does not open twice.
      const packet = readFileSync(saved, 'latin1').trim();
      for (const text of [packet, `${packet}=`, `${packet}=AAAA`, `=${packet}`])
        for (const from of [DEVICE[4], STRANGER[4]]) await send(house, from, text);
      await sleep(500);
      assert.equal(await house.reaches(PORT, DEVICE[4], 200), false, house.gate.log);
      assert.match(house.gate.log, /opened nothing reason=replayed/);
      // Nor after a crash.
      await house.gate.stop('SIGKILL');
      const directory = join(house.gate.directory, 'fwknop');
      await house.gate.startProgram(PROGRAMS.posternd[2], [
        'run',
        '--fwknop',
        directory,
        '--config',
        house.gate.config,
      ]);
      await send(house, DEVICE[4], packet);
      await sleep(500);
      assert.equal(await house.reaches(PORT, DEVICE[4], 200), false, house.gate.log);
      const again = await client.run('-n', 'gate', '--no-save-args');
      assert.equal(again.code, 0, again.err);
      assert.ok(await opens(house), house.gate.log);
    },
  );

test(
  'IPv6, which fwknop does not know, opens for our client, by the address that it names and by where it comes from',
  { skip, timeout: 90_000 },
  async () => {
    await using house = await build('packet');
    using client = new FwknopClient(house.world, 'postern');
    client.configure(RC);
    for (const source of [['-a', DEVICE[6]], ['-s']]) {
      const { code, out, err } = await client.run('-n', 'gate', '-D', GATE[6], ...source);
      assert.equal(code, 0, out + err);
      assert.ok(await opens(house, DEVICE[6]), house.gate.log);
      assert.equal(await house.reaches(PORT, STRANGER[6], 200), false);
      assert.equal(await house.reaches(PORT, DEVICE[4], 200), false);
      assert.ok(await closes(house, DEVICE[6]), house.gate.log);
    }
  },
);

test(
  'GPG with ECC keys, which fwknop cannot do, works between ours; whoever is not named opens nothing',
  { skip, timeout: 90_000 },
  async () => {
    using apart = new Namespace('keys');
    using stack = new DisposableStack();
    const [server, alice, mallory] = await Promise.all(
      ['server', 'alice', 'mallory'].map(async (name) => stack.use(await GpgHome.create(apart, name, 'ecc'))),
    );
    if (server === undefined || alice === undefined || mallory === undefined) throw new Error('a key is missing');
    for (const client of [alice, mallory]) {
      client.learn(server);
      server.learn(client);
    }
    const access = `SOURCE ANY
GPG_HOME_DIR ${server.directory}
GPG_DECRYPT_ID ${server.fingerprint}
GPG_ALLOW_NO_PW Y
GPG_FINGERPRINT_ID ${alice.fingerprint}
HMAC_KEY_BASE64 ${Buffer.alloc(64, 9).toString('base64')}
OPEN_PORTS tcp/${String(PORT)}
FW_ACCESS_TIMEOUT 3
`;
    await using house = await build('packet', () => Promise.resolve(access));
    using client = new FwknopClient(house.world, 'postern');
    const ask = async (home: GpgHome): Promise<void> => {
      client.configure(`[gate]
SPA_SERVER ${GATE[4]}
ACCESS tcp/${String(PORT)}
ALLOW_IP ${DEVICE[4]}
USE_GPG Y
GPG_HOMEDIR ${home.directory}
GPG_RECIPIENT ${server.fingerprint}
GPG_SIGNER ${home.fingerprint}
GPG_NO_SIGNING_PW Y
HMAC_KEY_BASE64 ${Buffer.alloc(64, 9).toString('base64')}
`);
      const { code, out, err } = await client.run('-n', 'gate');
      assert.equal(code, 0, out + err);
    };
    await ask(mallory);
    await sleep(1_500);
    assert.equal(await house.reaches(PORT, DEVICE[4], 200), false, house.gate.log);
    assert.match(house.gate.log, /opened nothing reason=signer/);
    await ask(alice);
    assert.ok(await opens(house), house.gate.log);
  },
);
