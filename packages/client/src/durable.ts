import { closeSync, fsyncSync, openSync, renameSync, unlinkSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { keepOwner, syncDirectory } from './platform.ts';

/**
 * Replaces a file, readable by its owner only, so that after a crash at any instant either the old or the new text is there, and the new
 * one is once this returns. The caller keeps others from writing it at the same time.
 *
 * @throws errors of the file system as they come; the old text is still there then
 */
export function writeDurably(path: string, text: string): void {
  const temporary = `${path}.new`;
  const directory = dirname(path);
  const descriptor = openSync(temporary, 'w', 0o600);
  try {
    try {
      keepOwner(descriptor, directory);
      writeFileSync(descriptor, text);
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    renameSync(temporary, path);
  } catch (error) {
    unlinkSync(temporary);
    throw error;
  }
  syncDirectory(directory);
}
