/** Programs of this folder, run in the world's namespace. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import type { Namespace } from '../namespace.ts';
import { removeTemporary, temporaryDirectory } from '../temporary.ts';

/** Runs a program to its end; its standard output. Throws when it fails. */
export function worldProcess(world: Namespace, script: string, args: readonly string[]): Promise<string> {
  const child = world.spawn(process.execPath, ['--conditions=source', join(import.meta.dirname, script), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let out = '';
  child.stdout?.on('data', (chunk: Buffer) => (out += chunk.toString()));
  return new Promise((resolve, reject) => {
    child.once('close', (code) => {
      if (code === 0) resolve(out);
      else reject(new Error(`${script} ended with ${String(code)}`));
    });
  });
}

/** Runs a program with its plan in a file; what it printed, which is JSON. */
export async function planned(world: Namespace, script: string, plan: unknown): Promise<unknown> {
  const directory = temporaryDirectory('postern-plan-');
  try {
    const file = join(directory, 'plan.json');
    writeFileSync(file, JSON.stringify(plan), { mode: 0o600 });
    return JSON.parse(await worldProcess(world, script, [file])) as unknown;
  } finally {
    removeTemporary(directory);
  }
}

/** Runs a prober with its plan; milliseconds for each knock, null where nothing answered. */
export async function probe(world: Namespace, prober: string, plan: unknown): Promise<(number | null)[]> {
  return ((await planned(world, prober, plan)) as { milliseconds: (number | null)[] }).milliseconds;
}
