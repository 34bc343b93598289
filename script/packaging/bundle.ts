/** `script/bundle DIRECTORY`: the client as it is packed, without the package. */
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { ROOT, writeTree } from './entry.ts';
import { fastClient } from './fast-client.ts';

const [directory] = process.argv.slice(2);
if (directory === undefined) throw new TypeError('a directory expected');
const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
mkdirSync(directory, { recursive: true });
writeTree(directory, await fastClient('.', version), Number(process.env['SOURCE_DATE_EPOCH'] ?? 0));
