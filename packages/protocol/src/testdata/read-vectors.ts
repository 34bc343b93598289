import { readFileSync } from 'node:fs';

/** For tests only: the path of a file in `vectors/` at the root of the repository. */
export function vectorPath(name: string): URL {
  return new URL(`../../../../vectors/${name}`, import.meta.url);
}

/** For tests only: what a file in `vectors/` holds; the caller knows its type. */
export function readVectors(name: string): unknown {
  return JSON.parse(readFileSync(vectorPath(name), 'utf8'));
}
