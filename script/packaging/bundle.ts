/** `script/bundle DIRECTORY [client|gate]`: a program as it is installed, without the package; its Node is the one that runs this. */
import { execFileSync } from 'node:child_process';
import { copyFileSync, linkSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { type Entry, ROOT, writeTree } from './entry.ts';
import { fastClient, launcher } from './fast-client.ts';
import { gateProgram } from './program.ts';

const [directory, what = 'client'] = process.argv.slice(2);
if (directory === undefined) throw new TypeError('a directory expected');
const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };

function write(into: string, entries: readonly Entry[]): void {
  mkdirSync(into, { recursive: true });
  writeTree(into, entries, Number(process.env['SOURCE_DATE_EPOCH'] ?? 0));
}

switch (what) {
  case 'client': {
    const entries = await fastClient('client', version);
    write(directory, [{ path: 'postern', content: launcher(directory), executable: true }, ...entries]);
    const node = join(directory, 'node');
    try {
      linkSync(process.execPath, node);
    } catch {
      copyFileSync(process.execPath, node);
    }
    execFileSync(node, [join(directory, 'client/make-snapshot.js')], { stdio: 'inherit' });
    break;
  }
  case 'gate':
    write(directory, await gateProgram(version));
    break;
  default:
    throw new TypeError(`client or gate expected, not ${what}`);
}
