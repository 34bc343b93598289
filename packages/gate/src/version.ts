import { readFileSync } from 'node:fs';

function readVersion(): string {
  // The manifest stands one directory above this file, in the source and in the package.
  const manifest: unknown = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  return typeof manifest === 'object' && manifest !== null && 'version' in manifest
    ? String(manifest.version)
    : 'unknown';
}

/** Version of posternd, from its package. */
export const version: string = readVersion();
