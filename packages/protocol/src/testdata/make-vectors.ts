/** Makes `vectors/spa-v1-*.json`, `vectors/invite.json` and `vectors/knock.json`: `node --conditions=source packages/protocol/src/testdata/make-vectors.ts`. Always the same files. */
import { writeFileSync } from 'node:fs';
import { makeInvalid } from './invalid-vectors.ts';
import { makeInvites } from './invite-vectors.ts';
import { vectorPath } from './read-vectors.ts';
import { makeKnocks } from './slow-keyed-ports.ts';
import { makeValid } from './valid-vectors.ts';

/** Name and text of each file. */
export function renderVectors(): [name: string, text: string][] {
  return [
    ['spa-v1-valid.json', render(makeValid())],
    ['spa-v1-invalid.json', render(makeInvalid())],
    ['invite.json', render(makeInvites())],
    ['knock.json', render(makeKnocks())],
  ];
}

/** JSON in the repository's format: lists of plain values stay on one line where they fit. */
function render(value: unknown): string {
  const text = JSON.stringify(value, undefined, 2);
  const short = text.replace(
    /^( *(?:"[^"]*": )?)\[\n([^[\]{}]*?)\n *\](,?)$/gm,
    (whole, head: string, items: string, comma: string) => {
      const line = `${head}[${items.replace(/\n? +/g, ' ').trim()}]`;
      return line.length <= 120 ? line + comma : whole;
    },
  );
  return `${short}\n`;
}

if (import.meta.main) {
  for (const [name, text] of renderVectors()) writeFileSync(vectorPath(name), text);
}
