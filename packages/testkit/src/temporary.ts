/** Directories for the time of a test, removed again however it ends. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';

const living = new Set<string>();
let hooked = false;

/** Makes a directory of mode 0700 below `base`; it is gone when the process ends, at the latest. */
export function temporaryDirectory(prefix: string, base: string = tmpdir()): string {
  if (!hooked) {
    hooked = true;
    process.on('exit', () => {
      for (const directory of [...living]) removeTemporary(directory);
    });
  }
  const directory = mkdtempSync(join(base, prefix));
  living.add(directory);
  return directory;
}

/** Removes it now. */
export function removeTemporary(directory: string): void {
  living.delete(directory);
  rmSync(directory, { recursive: true, force: true });
}
