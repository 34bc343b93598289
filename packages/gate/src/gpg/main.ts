/**
 * The gate's GPG helper: a process that hands messages from the sentry to gpg, started by `monitor/gpg-process.ts` only. It has no privileges, hears
 * nobody but the sentry (descriptor 3) and the monitor (one line of standard input), and lives as long as that stays open. Its argument is
 * the directory below which it may write.
 */
import { rmSync } from 'node:fs';
import { Socket } from 'node:net';
import process from 'node:process';
import { createInterface } from 'node:readline';
import type { UnixMicros } from '@postern/protocol';
import { decodeGpgRequest, encodeGpgAnswer, GPG_FRAME, type GpgAnswer } from '../line/gpg-line.ts';
import type { GpgSetup } from '../line/gpg-setup.ts';
import { Reassembler } from '../line/reassembler.ts';
import { decrypt, type Decryption, nothing } from './decrypt.ts';
import { agentOf, layOut, startAgent } from './keyring.ts';
import { runGpg } from './run-gpg.ts';
import { Work } from './work.ts';

const LINE_FD = 3;

/** Answers that wait for a sentry that does not read; one more is dropped. */
const MOST_ANSWERS = 64;

/** How long gpg may take to show what it has: an old keyring is converted meanwhile. Milliseconds. */
const SHOW_LIMIT = 20_000;

const homes: string[] = [];

/** The monitor's log shows it. */
function say(what: string): void {
  process.stderr.write(`${what}\n`);
}

function leave(code: number): never {
  for (const home of homes) rmSync(home, { recursive: true, force: true });
  process.exit(code);
}

/** Says what a gpg has in a keyring, before the first message; the keys are the owner's own, so this may be logged. */
async function show({ program, home }: Decryption, credential: number): Promise<void> {
  const command = ['--with-colons', '--list-secret-keys'];
  const run = { program, home, command, input: new Uint8Array(0), passphrase: undefined };
  const { how, code, output, errors } = await runGpg({ ...run, mostOutput: 1 << 20, timeLimit: SHOW_LIMIT });
  const secret = output.toString('latin1').match(/^sec:/gm)?.length ?? 0;
  if (how !== 'ended' || code !== 0)
    say(`credential ${credential}: ${program} does not work (${how}): ${errors.trim()}`);
  else if (secret === 0) say(`credential ${credential}: there is no private key in its keyring`);
}

async function prepare({ homes: keyrings, credentials }: GpgSetup): Promise<ReadonlyMap<number, Decryption>> {
  const [parent = ''] = process.argv.slice(2);
  for (const files of keyrings) homes.push(layOut(parent, files));
  const prepared = new Map<number, Decryption>();
  const agents = new Set<string>();
  const shown = new Set<string>();
  for (const { credential, home: index, program, passphrase } of credentials) {
    const home = homes[index];
    if (home === undefined) continue;
    const agent = agentOf(program);
    if (agent === undefined) say(`there is no gpg-agent beside ${program}, nor in /usr/bin`);
    else if (!agents.has(home)) {
      agents.add(home);
      await startAgent(agent, home, (how) => {
        // The monitor starts us, and it, again.
        say(`gpg-agent ended: ${how}`);
        leave(1);
      });
    }
    const secret = passphrase === undefined ? undefined : Buffer.from(passphrase, 'base64');
    const decryption = { program, home, passphrase: secret };
    prepared.set(credential, decryption);
    const key = `${program} ${home}`;
    if (!shown.has(key)) await show(decryption, credential);
    shown.add(key);
  }
  return prepared;
}

function serve(credentials: ReadonlyMap<number, Decryption>): void {
  const line = new Socket({ fd: LINE_FD });
  const send = (answer: GpgAnswer): void => {
    if (line.writableLength < MOST_ANSWERS * GPG_FRAME) line.write(encodeGpgAnswer(answer));
  };
  const work = new Work({
    decrypt: (credential, ciphertext) => {
      const how = credentials.get(credential);
      return how === undefined ? Promise.resolve(nothing('refused')) : decrypt(how, ciphertext);
    },
    answer: send,
    clock: () => (Date.now() * 1000) as UnixMicros,
  });
  const reassembler = new Reassembler((frame) => {
    const request = decodeGpgRequest(frame);
    // No sentry of ours sends that; whoever does gets no answer.
    if (request !== undefined) work.take(request);
  }, GPG_FRAME);
  line.on('data', (piece) => {
    reassembler.push(piece);
  });
  line.on('error', () => undefined);
}

process.umask(0o077);
const setup = createInterface({ input: process.stdin });
setup.once('line', (line) => {
  prepare(JSON.parse(line) as GpgSetup).then(serve, (error: unknown) => {
    say(error instanceof Error ? (error.stack ?? error.message) : String(error));
    leave(1);
  });
});
setup.once('close', () => {
  leave(0);
});
