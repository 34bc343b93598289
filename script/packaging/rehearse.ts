/**
 * What `node --build-snapshot` runs, where the client is installed: `rehearse.js DIRECTORY`. Loads the client, lets it join and knock at a
 * gate that ends with this process, with keys that are made here and belong to nothing, and leaves it as it is to be found at every start.
 * DIRECTORY holds the host's file meanwhile; whoever made it removes it.
 */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { queryObjects, setFlagsFromString, startupSnapshot } from 'node:v8';
import { Script } from 'node:vm';
import type * as client from '../../packages/client/src/run.ts';
import { startRehearsalGate } from './rehearsal-gate.ts';

/** The client as `main.js` loads it. What it asks for at run time comes from Node without a word about snapshots. */
function loadClient(): typeof client {
  const path = join(dirname(process.argv[1] ?? ''), 'client.js');
  const script = new Script(`(function (require, module) {${readFileSync(path, 'latin1')}\n})`, {
    filename: 'client.js',
  });
  const loaded: { exports: unknown } = { exports: {} };
  const define = script.runInThisContext() as (require: unknown, module: unknown) => void;
  define((name: string) => process.getBuiltinModule(name), loaded);
  return loaded.exports as typeof client;
}

/** V8 forgets the code of every function. What runs afterwards is compiled again and kept: the snapshot holds what a knock needs, and no more. */
function forgetCode(): void {
  setFlagsFromString('--stress-flush-code');
  // Collects garbage, twice: what is young survives once.
  for (let i = 0; i < 2; i++) queryObjects(Script);
  setFlagsFromString('--no-stress-flush-code');
}

/** Small buffers are cut from a shared one, and the last text that was searched is kept: neither has to tell of the rehearsal. */
function wipe(): void {
  new Uint8Array(Buffer.allocUnsafe(1).buffer).fill(0);
  /./.test('.');
}

async function rehearse({ run }: typeof client, directory: string): Promise<void> {
  const gate = await startRehearsalGate();
  const postern = async (...words: string[]): Promise<void> => {
    const code = await run([...words, '--config', directory]);
    if (code !== 0) throw new Error(`${words[0] ?? ''}: exit code ${code}`);
  };
  try {
    await postern('join', gate.invite);
    forgetCode();
    await postern('knock', 'gate');
  } finally {
    gate.close();
    wipe();
  }
}

const [, , directory = ''] = process.argv;
const loaded = loadClient();
startupSnapshot.setDeserializeMainFunction(loaded.start);
rehearse(loaded, directory).catch((error: unknown) => {
  process.stderr.write(`${String(error)}\n`);
  process.exit(1);
});
