/** Programs of this folder, run in the world's namespace. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import type { Namespace } from '../namespace.ts';
import { removeTemporary, temporaryDirectory } from '../temporary.ts';

/** Runs a program to its end; its standard output, each piece of which `heard` is told at once. Throws when it fails. */
export function worldProcess(
  world: Namespace,
  script: string,
  args: readonly string[],
  heard: () => void = () => undefined,
): Promise<string> {
  const child = world.spawn(process.execPath, ['--conditions=source', join(import.meta.dirname, script), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let out = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    out += chunk.toString();
    heard();
  });
  return new Promise((resolve, reject) => {
    child.once('close', (code) => {
      if (code === 0) resolve(out);
      else reject(new Error(`${script} ended with ${String(code)}`));
    });
  });
}

/** Runs a program with its plan in a file; what it printed. `heard` is called when it prints. */
export async function whilePlanned(
  world: Namespace,
  script: string,
  plan: unknown,
  heard: () => void = () => undefined,
): Promise<string> {
  const directory = temporaryDirectory('postern-plan-');
  try {
    const file = join(directory, 'plan.json');
    writeFileSync(file, JSON.stringify(plan), { mode: 0o600 });
    return await worldProcess(world, script, [file], heard);
  } finally {
    removeTemporary(directory);
  }
}

/** The same for a program that prints JSON. */
export async function planned(world: Namespace, script: string, plan: unknown): Promise<unknown> {
  return JSON.parse(await whilePlanned(world, script, plan)) as unknown;
}

/** Runs a prober with its plan; milliseconds for each knock, null where nothing answered. */
export async function probe(world: Namespace, prober: string, plan: unknown): Promise<(number | null)[]> {
  return ((await planned(world, prober, plan)) as { milliseconds: (number | null)[] }).milliseconds;
}
