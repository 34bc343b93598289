/** `script/bundle DIRECTORY`: the client as it is installed, without the package; its Node is the one that runs this. */
import { execFileSync } from 'node:child_process';
import { copyFileSync, linkSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { ROOT, writeTree } from './entry.ts';
import { fastClient, launcher } from './fast-client.ts';

const [directory] = process.argv.slice(2);
if (directory === undefined) throw new TypeError('a directory expected');
const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
const entries = [
  { path: 'postern', content: launcher(directory), executable: true },
  ...(await fastClient('client', version)),
];
mkdirSync(directory, { recursive: true });
writeTree(directory, entries, Number(process.env['SOURCE_DATE_EPOCH'] ?? 0));
const node = join(directory, 'node');
try {
  linkSync(process.execPath, node);
} catch {
  copyFileSync(process.execPath, node);
}
execFileSync(node, [join(directory, 'client/make-snapshot.js')], { stdio: 'inherit' });
