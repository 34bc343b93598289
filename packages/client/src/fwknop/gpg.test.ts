import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { after, before, test } from 'node:test';
import { FwknopKeyring } from '@postern/protocol/fwknop';
import { PersonError } from '@postern/terminal';
import { parseFwknopLine } from './command-line.ts';
import { gpgEncrypt, gpgOrder } from './gpg.ts';
import { fwknopMessage } from './message.ts';
import { fwknopRequest } from './request.ts';
import { cipherOf, type Sealed, sealMessage } from './seal.ts';
import { layered } from './variables.ts';

const there = spawnSync('gpg', ['--version'], { stdio: 'ignore' }).status === 0;
const skip = there || process.env['CI'] === 'true' ? false : 'SKIPPED: there is no gpg';
const PASSPHRASE = 'correct horse';
let home = '';

function gpg(words: readonly string[], input: string | Uint8Array = ''): Buffer {
  const all = ['--homedir', home, '--batch', '--quiet', '--pinentry-mode', 'loopback', ...words];
  return execFileSync('gpg', all, { input, stdio: ['pipe', 'pipe', 'pipe'], timeout: 60_000 });
}

before(() => {
  if (skip !== false) return;
  home = mkdtempSync(join(tmpdir(), 'postern-gpg-'));
  const rsa = 'Key-Type: RSA\nKey-Length: 2048\nKey-Usage: sign,encrypt';
  gpg(['--generate-key'], `%no-protection\n${rsa}\nName-Real: rsa\nExpire-Date: 0\n%commit\n`);
  gpg(['--passphrase', PASSPHRASE, '--quick-generate-key', 'elliptic', 'future-default', 'default', 'never']);
});

after(() => {
  if (home === '') return;
  spawnSync('gpgconf', ['--homedir', home, '--kill', 'all']);
  spawnSync('gpgconf', ['--homedir', home, '--remove-socketdir']);
  rmSync(home, { recursive: true });
});

const nobody = (): string => assert.fail('a passphrase was asked for');
const settings = (...argv: string[]): ReturnType<typeof layered> =>
  layered(parseFwknopLine(['--gpg-home-dir', home, ...argv]).assignments);

/** The text of a message, and the name of who signed it. */
function opened(message: Uint8Array): { text: string; signer: string | undefined } {
  const all = gpg(['--passphrase', PASSPHRASE, '--status-fd', '2', '--decrypt'], message);
  const { stderr } = spawnSync(
    'gpg',
    [
      '--homedir',
      home,
      '--batch',
      '--pinentry-mode',
      'loopback',
      '--passphrase',
      PASSPHRASE,
      '--status-fd',
      '2',
      '--decrypt',
    ],
    { input: message, encoding: 'utf8' },
  );
  return { text: all.toString(), signer: /GOODSIG \w+ (\w+)/.exec(stderr)?.[1] };
}

test('a text is encrypted, and signed with the passphrase that was asked for', { skip, timeout: 120_000 }, async () => {
  const plain = await gpgEncrypt('the text', gpgOrder(settings('--gpg-recipient-key', 'rsa'), nobody));
  assert.deepEqual(opened(plain), { text: 'the text', signer: undefined });
  const asked: string[] = [];
  const signing = gpgOrder(settings('--gpg-recipient-key', 'rsa', '--gpg-signer-key', 'elliptic'), (question) => {
    asked.push(question);
    return PASSPHRASE;
  });
  assert.deepEqual(opened(await gpgEncrypt('the text', signing)), { text: 'the text', signer: 'elliptic' });
  assert.deepEqual(asked, ['passphrase of the key elliptic: ']);
  const quiet = settings('--gpg-recipient-key', 'rsa', '--gpg-signer-key', 'rsa', '--gpg-no-signing-pw');
  assert.equal(opened(await gpgEncrypt('x', gpgOrder(quiet, nobody))).signer, 'rsa');
});

test('what gpg cannot do is said in its words, without the passphrase', { skip, timeout: 120_000 }, async () => {
  const refused = async (line: readonly string[], passphrase = PASSPHRASE): Promise<string> => {
    try {
      await gpgEncrypt(
        'x',
        gpgOrder(settings(...line), () => passphrase),
      );
    } catch (error) {
      assert.ok(error instanceof PersonError, String(error));
      return error.message;
    }
    assert.fail('it was done');
  };
  assert.match(await refused(['--gpg-recipient-key', 'nobody']), /^gpg did not encrypt: gpg: .*No public key/);
  assert.match(await refused(['--gpg-recipient-key', 'rsa', '--gpg-signer-key', 'nobody']), /No secret key/);
  spawnSync('gpgconf', ['--homedir', home, '--kill', 'all']);
  assert.match(
    await refused(['--gpg-recipient-key', 'rsa', '--gpg-signer-key', 'elliptic'], 'wrong'),
    /did not encrypt: (?!.*wrong)/,
  );
  assert.match(await refused(['--gpg-exe', '/nowhere/gpg', '--gpg-recipient-key', 'rsa']), /there is no such program/);
  assert.throws(() => gpgOrder(settings('-g'), nobody), /for whom shall gpg encrypt\?/);
});

const SIGNED = ['--gpg-signer-key', 'rsa', '--gpg-no-signing-pw'] as const;

async function sealed(...line: string[]): Promise<Sealed> {
  const all = settings('-A', 'tcp/22', '-s', ...line);
  const stamp = { source: undefined, user: { name: 'me', from: '-U' }, time: 1, timeout: 0 };
  const message = fwknopMessage(
    fwknopRequest(all, () => 0),
    stamp,
    () => 0,
  );
  const input = { ask: nobody, lines: nobody as () => never };
  return sealMessage(message, cipherOf(all), all, { input, random: (size) => new Uint8Array(size) });
}

test(
  'a packet of gpg is opened again by the key ring, and one that fwknopd cannot read is known',
  { skip, timeout: 120_000 },
  async () => {
    for (const [recipient, forPosterndOnly] of [
      ['rsa', false],
      ['elliptic', true],
    ] as const) {
      const made = await sealed(...SIGNED, '--gpg-recipient-key', recipient, '--key-hmac', 'hmac key');
      assert.equal(made.forPosterndOnly, forPosterndOnly);
      const hmac = { digest: 'sha256', key: Buffer.from('hmac key') } as const;
      const found = new FwknopKeyring([{ kind: 'gpg', hmac }]).open(made.packet);
      assert.ok(found.ok && found.value.kind === 'gpg');
      assert.match(opened(found.value.ciphertext).text, /^0{16}:bWU:1:3\.0\.0:1:/);
    }
  },
);
