/** `script/bundle DIRECTORY`: the client as it is packed, without the package; its Node is the one that runs this. */
import { mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { ROOT, template, writeTree } from './entry.ts';
import { fastClient } from './fast-client.ts';

const [directory] = process.argv.slice(2);
if (directory === undefined) throw new TypeError('a directory expected');
const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
mkdirSync(directory, { recursive: true });
symlinkSync(process.execPath, join(directory, 'node'));
const launcher = { path: 'postern', content: template('postern.sh', { LIB: directory }), executable: true };
const entries = [launcher, ...(await fastClient('client', version))];
writeTree(directory, entries, Number(process.env['SOURCE_DATE_EPOCH'] ?? 0));
