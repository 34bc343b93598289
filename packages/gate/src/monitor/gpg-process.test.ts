import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { toHex } from '@postern/protocol';
import { FwknopKeyring } from '@postern/protocol/fwknop';
import { namespacesAvailable } from '@postern/testkit';
import type { GpgAnswer } from '../line/gpg-line.ts';
import { GpgEnd } from '../sentry/gpg-end.ts';
import { FWKNOP, GPG, Keys, PASSPHRASE, processesWith } from './gpg-keys.fixture.ts';
import { startGpg, type GpgCredential, type GpgProcess } from './gpg-process.ts';
import { findUser } from './sentry-user.ts';

const missing = !existsSync(GPG) ? 'there is no gpg' : namespacesAvailable() ? undefined : 'needs root';
const skip = missing !== undefined && process.env['CI'] !== 'true' ? `SKIPPED: ${missing}` : false;
const TEXT = '1540521613565302:YWxpY2U:1795329870:3.0.0:1:MTI3LjAuMC4yLHRjcC8yMg:YCo2zL0Xjoe7';
const SLOW = '#!/bin/sh\ncase "$*" in *--list-secret-keys*) echo sec:; exit;; esac\nsleep 300 & sleep 300\n';
/** gpg, as somebody would have it write who got hold of it: more than there is room for. */
const LOUD = '#!/bin/sh\nexec yes\n';
const numbers = (credential: number, home: string, program = GPG): GpgCredential => ({
  ...{ credential, home, program },
  passphrase: undefined,
});

async function until(what: string, holds: () => boolean): Promise<void> {
  for (let waited = 0; waited < 15_000; waited += 20) {
    if (holds()) return;
    await sleep(20);
  }
  assert.fail(`waited 15 s for: ${what}`);
}

describe('the GPG helper', { skip, timeout: 120_000 }, () => {
  const user = findUser('nobody') ?? assert.fail('there is no user nobody');
  let directory: string;
  let gate: Keys;
  let ada: Keys;
  const prints = new Map<string, readonly [string, string]>();
  const programs: Record<'slow' | 'loud', string> = { slow: '', loud: '' };

  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'postern-gpg-'));
    [gate, ada] = [new Keys(directory, 'gate'), new Keys(directory, 'ada')];
    for (const key of Object.values(FWKNOP.keys)) for (const keys of [gate, ada]) keys.run(['--import'], key);
    // fwknop's RSA key has a subkey that signs, the other signs itself.
    const [rsa = '', subkey = ''] = gate.fingerprints('spa-rsa');
    const [ecc = ''] = gate.fingerprints('spa-ecc');
    prints.set('spa-rsa', [rsa, subkey]).set('spa-ecc', [ecc, ecc]);
    prints.set('ada', ada.make('ada'));
    gate.meet(ada, 'ada');
    gate.make('locked', PASSPHRASE);
    ada.meet(gate, 'locked');
    prints.set('stranger', ada.make('stranger'));
    chmodSync(directory, 0o711);
    for (const [name, text] of [
      ['slow', SLOW],
      ['loud', LOUD],
    ] as const) {
      programs[name] = join(directory, name);
      writeFileSync(programs[name], text, { mode: 0o755 });
    }
  });
  after(() => {
    gate[Symbol.dispose]();
    ada[Symbol.dispose]();
    rmSync(directory, { recursive: true });
  });

  /** A helper with the sentry's end of its line. */
  class Scene implements AsyncDisposable {
    readonly log: string[] = [];
    readonly gpg: GpgProcess;
    readonly end: GpgEnd<undefined>;
    readonly place: string;

    constructor(credentials: readonly GpgCredential[], place = 'copies') {
      this.place = join(directory, place);
      const log = (_level: string, what: string): void => void this.log.push(what);
      this.gpg = startGpg({ credentials, user, directory: this.place, log });
      this.end = new GpgEnd(this.gpg.sentryFd, 1);
    }

    async ask(credential: number, message: Uint8Array): Promise<GpgAnswer> {
      const got: GpgAnswer[] = [];
      assert.ok(this.end.request(credential, message, undefined, 0));
      await until('an answer', () => {
        this.end.receive((answer) => void got.push(answer), 0);
        return got.length > 0;
      });
      return got[0] ?? assert.fail();
    }

    /** What came out, in one line. */
    async read(credential: number, message: Uint8Array): Promise<string> {
      const { outcome, plaintext, signatures } = await this.ask(credential, message);
      const text = (bytes: Uint8Array | undefined): string => (bytes === undefined ? '-' : toHex(bytes).toUpperCase());
      const by = signatures.map(
        ({ verified, fingerprint, primary }) =>
          `${verified ? 'by' : 'NOT by'} ${text(fingerprint)} of ${text(primary)}`,
      );
      return [outcome, Buffer.from(plaintext).toString(), ...by].filter((part) => part !== '').join(' ');
    }

    async [Symbol.asyncDispose](): Promise<void> {
      this.gpg[Symbol.dispose]();
      await this.gpg.closed;
      await until('nothing left running', () => processesWith(this.place).length === 0);
      assert.ok(!existsSync(this.place), 'its copies of keyrings are gone');
    }
  }

  const by = (kind: string): string => {
    const [primary, signer] = prints.get(kind) ?? assert.fail(kind);
    return `by ${signer} of ${primary}`;
  };

  test('messages of the client of fwknop are read, to RSA keys and to those of elliptic curves, which fwknop cannot', async () => {
    await using scene = new Scene([numbers(0, gate.home)]);
    for (const { name, algorithm, hmac, packet, plaintext } of FWKNOP.vectors) {
      const key = hmac === null ? undefined : { digest: hmac.digest, key: Buffer.from(hmac.key, 'base64') };
      const opened = new FwknopKeyring([{ kind: 'gpg', hmac: key }]).open(Buffer.from(packet));
      assert.ok(opened.ok && opened.value.kind === 'gpg', name);
      const signer = by(algorithm.startsWith('RSA') ? 'spa-rsa' : 'spa-ecc');
      assert.equal(await scene.read(0, opened.value.ciphertext), `ok ${plaintext} ${signer}`, name);
    }
    assert.deepEqual(scene.log, []);
  });

  test('to whatever key and by whatever key, whose it is is told', async () => {
    await using scene = new Scene([numbers(0, gate.home)]);
    for (const to of ['spa-ecc', 'spa-rsa'])
      for (const from of ['ada', 'spa-rsa'])
        assert.equal(await scene.read(0, ada.seal(to, TEXT, from)), `ok ${TEXT} ${by(from)}`, `to ${to} from ${from}`);
  });

  test('what is not signed, by an unknown key, changed or for somebody else is told apart', async () => {
    await using scene = new Scene([numbers(7, gate.home)]);
    assert.equal(await scene.read(7, ada.seal('spa-ecc', TEXT)), `ok ${TEXT}`);
    const unknown = await scene.read(7, ada.seal('spa-ecc', TEXT, 'stranger'));
    assert.equal(unknown, `ok ${TEXT} NOT by ${(prints.get('stranger') ?? [])[1] ?? ''} of -`);
    const message = ada.seal('spa-rsa', TEXT, 'spa-rsa');
    for (const at of [0, 1, 20, message.length >> 1, message.length - 1]) {
      const changed = Buffer.from(message);
      changed[at] = (changed[at] ?? 0) ^ 1;
      assert.equal(await scene.read(7, changed), 'refused', `byte ${at}`);
    }
    assert.equal(await scene.read(7, ada.seal('ada', TEXT, 'ada')), 'refused', 'for somebody else');
    assert.equal(await scene.read(7, message.subarray(0, -40)), 'refused', 'cut off');
    assert.equal(await scene.read(8, message), 'refused', 'of no credential');
    assert.equal(await scene.read(7, Buffer.alloc(900, 0x85)), 'refused', 'garbage');
  });

  test('what is not encrypted to a key, or too long inside, is refused', async () => {
    await using scene = new Scene([{ ...numbers(0, gate.home), passphrase: Buffer.from(PASSPHRASE) }]);
    const secret = ['--passphrase', PASSPHRASE];
    const plain = ada.run(['--sign', '--local-user', 'ada'], TEXT);
    const symmetric = ada.run([...secret, '--symmetric'], TEXT);
    const both = ada.run([...secret, '--symmetric', '--encrypt', '--recipient', 'ada'], TEXT);
    const bomb = ada.seal('spa-ecc', 'a'.repeat(1 << 20), undefined, ['-z', '9', '--compress-algo', 'bzip2']);
    const twice = Buffer.concat([ada.seal('spa-ecc', TEXT), ada.seal('spa-ecc', TEXT)]);
    const behind = Buffer.concat([ada.seal('spa-ecc', TEXT), ada.run(['--store'], TEXT)]);
    for (const [name, message] of Object.entries({ plain, symmetric, both, bomb, twice, behind }))
      assert.equal(await scene.read(0, message), 'refused', name);
    assert.equal(await scene.read(0, ada.seal('spa-ecc', 'a'.repeat(1_100))), `ok ${'a'.repeat(1_100)}`);
    assert.equal(await scene.read(0, ada.seal('spa-ecc', 'a'.repeat(1_101))), 'refused');
  });

  test('a key with a passphrase needs it', async () => {
    const passphrase = Buffer.from(PASSPHRASE);
    await using scene = new Scene([
      numbers(0, gate.home),
      { ...numbers(1, gate.home), passphrase: Buffer.from('wrong') },
      { ...numbers(2, gate.home), passphrase },
    ]);
    const message = ada.seal('locked', TEXT);
    assert.equal(await scene.read(0, message), 'refused');
    assert.equal(await scene.read(1, message), 'refused');
    assert.equal(await scene.read(2, message), `ok ${TEXT}`);
  });

  test('a gpg that takes too long is ended with all that it started, and one that says too much', async () => {
    await using scene = new Scene([numbers(0, gate.home, programs.slow), numbers(1, gate.home, programs.loud)]);
    const began = Date.now();
    assert.equal(await scene.read(0, ada.seal('spa-ecc', TEXT)), 'time');
    assert.ok(Date.now() - began < 10_000);
    assert.deepEqual(processesWith('sleep\x00300'), []);
    assert.equal(await scene.read(1, ada.seal('spa-ecc', TEXT)), 'refused');
  });

  test('a helper has no privileges, and hands its line to nobody', async () => {
    await using scene = new Scene([numbers(0, gate.home)]);
    await scene.read(0, ada.seal('spa-ecc', TEXT));
    const pid = scene.gpg.pid ?? assert.fail('it runs');
    const [agent] = processesWith(`gpg-agent\x00--homedir\x00${scene.place}`);
    assert.ok(agent !== undefined, 'an agent');
    for (const one of [pid, agent]) {
      const status = readFileSync(`/proc/${one}/status`, 'utf8');
      assert.match(status, /^Uid:\t65534\t65534\t65534\t65534$/m);
      assert.match(status, /^Cap(Eff|Bnd):\t0{16}$/m);
      assert.match(status, /^NoNewPrivs:\t1$/m);
    }
    const sockets = (of: number): string[] =>
      readdirSync(`/proc/${of}/fd`).map((fd) => readlinkSync(`/proc/${of}/fd/${fd}`));
    const line = readlinkSync(`/proc/${pid}/fd/3`);
    assert.match(line, /^socket:/);
    assert.ok(!sockets(agent).includes(line));
  });

  test('a helper that ends is started again, and one that gets other credentials at once', async () => {
    await using scene = new Scene([numbers(0, gate.home)]);
    const message = ada.seal('spa-ecc', TEXT);
    await scene.read(0, message);
    process.kill(scene.gpg.pid ?? assert.fail('it runs'), 'SIGKILL');
    await until('a restart', () => scene.gpg.restarts === 1);
    assert.equal(await scene.read(0, message), `ok ${TEXT}`);
    const pid = scene.gpg.pid;
    scene.gpg.reload([numbers(5, gate.home)]);
    await until('another one', () => scene.gpg.pid !== pid && scene.gpg.pid !== undefined);
    assert.equal(await scene.read(5, message), `ok ${TEXT}`);
    assert.equal(await scene.read(0, message), 'refused');
    assert.equal(scene.gpg.restarts, 1);
  });

  test('an agent that ends is started again, with the helper', async () => {
    await using scene = new Scene([numbers(0, gate.home)]);
    const message = ada.seal('spa-ecc', TEXT);
    await scene.read(0, message);
    for (const agent of processesWith(`gpg-agent\x00--homedir\x00${scene.place}`)) process.kill(agent, 'SIGKILL');
    await until('a restart', () => scene.gpg.restarts === 1);
    assert.equal(await scene.read(0, message), `ok ${TEXT}`);
  });

  test('a keyring that is not there costs its own messages only, and the log says so', async () => {
    await using scene = new Scene([numbers(0, join(directory, 'nowhere')), numbers(1, gate.home)]);
    const message = ada.seal('spa-ecc', TEXT);
    assert.equal(await scene.read(0, message), 'refused');
    assert.equal(await scene.read(1, message), `ok ${TEXT}`);
    assert.match(scene.log.join('\n'), /nowhere cannot be read/);
  });

  test('with the capabilities of the monitor it starts all the same, and ends with it, however that ends', async () => {
    const place = join(directory, 'killed');
    const options = JSON.stringify({ credentials: [numbers(0, gate.home)], user, directory: place });
    const kept = '-all,+net_admin,+net_raw,+setuid,+setgid,+setpcap,+kill';
    const monitor = spawn(
      'setpriv',
      [
        ...[`--bounding-set=${kept}`, '--inh-caps=-all', '--ambient-caps=-all', '--', process.execPath],
        ...['--conditions=source', join(import.meta.dirname, 'gpg-process.fixture.ts'), options],
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    try {
      await once(monitor.stdout, 'data');
      await until('an agent', () => processesWith(`gpg-agent\x00--homedir\x00${place}`).length === 1);
    } finally {
      monitor.kill('SIGKILL');
    }
    await once(monitor, 'exit');
    await until('nothing left running', () => processesWith(place).length === 0);
    // The next one takes what was left away.
    await using scene = new Scene([numbers(0, gate.home)], 'killed');
    assert.equal(await scene.read(0, ada.seal('spa-ecc', TEXT)), `ok ${TEXT}`);
    assert.equal(readdirSync(place).length, 1);
  });
});
