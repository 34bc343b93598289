/** What the client leaves to `posternd` of the same machine, as that has the bindings to the system and the drawing of QR codes. */
import type { SpawnOptions } from 'node:child_process';

/** How it ended: what it printed and said, or that there is no such program. */
export type PosterndAnswer =
  | { readonly kind: 'missing' }
  | { readonly kind: 'ended'; readonly code: number; readonly out: string; readonly err: string };

const PATIENCE_MS = 20_000;
const OUTPUT_MAX = 256 * 1024;

/** Runs a command of posternd with a text as its standard input. */
export async function askPosternd(words: readonly string[], input: string): Promise<PosterndAnswer> {
  const { spawn } = await import('node:child_process');
  const options = { stdio: 'pipe', timeout: PATIENCE_MS } as const satisfies SpawnOptions;
  const child = spawn('posternd', words, options);
  let [out, err] = ['', ''];
  child.stdin.on('error', () => undefined).end(input);
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out = (out + text).slice(0, OUTPUT_MAX)));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err = (err + text).slice(0, OUTPUT_MAX)));
  return new Promise((resolve, reject) => {
    child.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') resolve({ kind: 'missing' });
      else reject(error);
    });
    child.once('close', (code) => {
      resolve({ kind: 'ended', code: code ?? 1, out, err });
    });
  });
}
