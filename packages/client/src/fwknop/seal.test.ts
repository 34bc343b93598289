import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fromHex } from '@postern/protocol';
import { PersonError } from '@postern/terminal';
import { parseFwknopLine } from './command-line.ts';
import { fwknopMessage } from './message.ts';
import { allowedOf, fwknopRequest, timeoutOf } from './request.ts';
import { cipherOf, sealMessage } from './seal.ts';
import { layered } from './variables.ts';

interface Vector {
  readonly name: string;
  readonly mode: string;
  readonly key: string;
  readonly hmac: { readonly digest: string; readonly key: string } | null;
  readonly digest: string;
  readonly salt: string;
  readonly fields: {
    readonly random: string;
    readonly user: string;
    readonly time: number;
    readonly type: number;
    readonly message: string;
    readonly nat: string | null;
    readonly serverAuth: string | null;
    readonly timeout: number;
  };
  readonly packet: string;
}

const FILE = join(import.meta.dirname, '../../../../vectors/fwknop.json');
const { client, deterministic, longCommand } = JSON.parse(readFileSync(FILE, 'utf8')) as {
  client: Vector[];
  deterministic: { vectors: Vector[] };
  longCommand: { vectors: Vector[] };
};
const NOBODY = {
  ask: (): string => assert.fail('a key was asked for'),
  lines: (): string[] => assert.fail('a descriptor was read'),
};

/** The command line that asks for what a packet of fwknop's client says. */
function commandLine({ mode, key, hmac, digest, fields }: Vector): string[] {
  const comma = fields.message.indexOf(',');
  const asked = fields.message.slice(comma + 1);
  return [
    ...['-M', mode, '-m', digest, '-a', fields.message.slice(0, comma), '-f', String(fields.timeout)],
    ...['--key-base64-rijndael', key],
    ...(hmac === null ? [] : ['--key-base64-hmac', hmac.key, '--hmac-digest-type', hmac.digest]),
    ...(fields.type === 0 ? ['-C', asked] : ['-A', asked]),
    ...(fields.nat === null ? [] : ['-N', fields.nat]),
    ...(fields.type >= 5 ? ['--nat-local'] : []),
  ];
}

/** The packet, with the random values and the time of the vector. */
async function packetOf(vector: Vector): Promise<string> {
  const { fields, salt } = vector;
  const settings = layered(parseFwknopLine(commandLine(vector)).assignments);
  const halves = [fields.random.slice(0, 8), fields.random.slice(8)];
  const random = (below: number): number => {
    assert.equal(below, 100_000_000);
    return Number(halves.shift());
  };
  const allowed = allowedOf(settings);
  assert.ok(allowed !== 'resolve');
  const message = fwknopMessage(
    fwknopRequest(settings, () => assert.fail('chance')),
    {
      source: allowed === 'source' ? undefined : allowed,
      user: { name: fields.user, from: '-U' },
      time: fields.time,
      timeout: timeoutOf(settings),
    },
    random,
  );
  const sealed = await sealMessage(message, cipherOf(settings), settings, {
    input: NOBODY,
    random: (size) => {
      assert.equal(size, 8);
      return fromHex(salt);
    },
  });
  assert.deepEqual(sealed.message, message);
  return Buffer.from(sealed.packet).toString('latin1');
}

for (const vector of [...client, ...deterministic.vectors]) {
  // Only a program writes a server_auth, and no command line.
  if (vector.fields.serverAuth !== null) continue;
  test(`the command line makes the packet ${vector.name} of fwknop, byte for byte`, async () => {
    assert.equal(await packetOf(vector), vector.packet);
  });
}

test('the packet that the client of fwknop sends and its server drops is refused', async () => {
  const [vector] = longCommand.vectors;
  assert.ok(vector !== undefined);
  await assert.rejects(
    packetOf(vector),
    (error: unknown) => error instanceof PersonError && /shorter command/.test(error.hint ?? ''),
  );
});

test('the size of a packet is known before it is sealed', async () => {
  for (let length = 1; length <= 48; length++) {
    for (const line of [[], ['-m', 'md5'], ['--key-hmac', 'b', '--hmac-digest-type', 'md5', '-m', 'md5']]) {
      const settings = layered(parseFwknopLine(['-s', '-A', 'tcp/1', '--key-rijndael', 'a', ...line]).assignments);
      const stamp = { source: undefined, user: { name: 'u'.repeat(length), from: '-U' }, time: 1, timeout: 0 };
      const message = fwknopMessage(
        fwknopRequest(settings, () => 0),
        stamp,
        () => 0,
      );
      const random = (size: number): Uint8Array => new Uint8Array(size);
      try {
        const { packet } = await sealMessage(message, cipherOf(settings), settings, { input: NOBODY, random });
        assert.ok(packet.length >= 140);
      } catch (error) {
        assert.ok(error instanceof PersonError, String(error));
        assert.match(error.message, /less than 140/);
      }
    }
  }
});

test('legacy mode with an HMAC, and unknown digests and modes are refused', () => {
  const cipher = (line: string): unknown => cipherOf(layered(parseFwknopLine(line.split(' ')).assignments));
  assert.throws(() => cipher('-M legacy --use-hmac'), /the legacy mode has no HMAC/);
  assert.throws(() => cipher('-M pcbc'), /-M: one of ecb, cbc/);
  assert.throws(() => cipher('-m crc32'), /-m: one of md5/);
  assert.deepEqual(cipher('-M Asymmetric --key-hmac x'), { digest: 'sha256', mode: 'gpg', hmac: 'sha256' });
  assert.deepEqual(cipher('-s'), { digest: 'sha256', mode: 'cbc', hmac: undefined });
});
