/** What stands where below the prefix: the client's files, with Node, and the gate's. */
import { completion, manPage, SHELLS, type Program } from '@postern/terminal';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { program as client } from '../../packages/client/src/program.ts';
import { program as gate } from '../../packages/gate/src/program.ts';
import { type Entry, ROOT, template } from './entry.ts';
import { launcher } from './fast-client.ts';
import { clientProgram, gateProgram, nodeFiles } from './program.ts';

/** Where a package's files go. */
export interface Place {
  /** `/usr` or `/usr/local`. */
  readonly prefix: string;
  /** Where zsh looks for completions, below the prefix: Debian has a place of its own for packages. */
  readonly zsh: string;
}

/** What does not depend on the place, made once. */
export interface Parts {
  readonly node: readonly Entry[];
  readonly client: readonly Entry[];
  readonly gate: readonly Entry[];
}

/** Bundles the programs. */
export async function makeParts(version: string): Promise<Parts> {
  const [clientFiles, gateFiles] = await Promise.all([clientProgram(version), gateProgram(version)]);
  return { node: nodeFiles(), client: clientFiles, gate: gateFiles };
}

/** Man page and completions, from the table of commands that the program itself uses. */
function documents(program: Program, { zsh }: Place): Entry[] {
  const folders = { bash: 'share/bash-completion/completions', zsh, fish: 'share/fish/vendor_completions.d' };
  const page = manPage(program);
  return [
    { path: `share/man/man${page.file.at(-1) ?? ''}/${page.file}.gz`, content: gzipSync(page.text, { level: 9 }) },
    ...SHELLS.map((shell) => {
      const { file, text } = completion(program, shell);
      return { path: join(folders[shell], file), content: text };
    }),
  ];
}

/** The client's files, and Node for both programs. */
export function clientTree(parts: Parts, place: Place): Entry[] {
  return [
    ...parts.node,
    ...parts.client,
    { path: 'bin/postern', content: launcher(join(place.prefix, 'lib/postern')), executable: true },
    ...documents(client, place),
    { path: 'share/doc/postern/README.md', content: readFileSync(join(ROOT, 'README.md')) },
    { path: 'share/doc/postern/LICENSE', content: readFileSync(join(ROOT, 'LICENSE')) },
    { path: 'share/doc/postern/copyright', content: template('debian/copyright', {}) },
  ];
}

/** The gate's files; it runs on the client's Node. */
export function gateTree(parts: Parts, place: Place): Entry[] {
  const values = { LIB: join(place.prefix, 'lib/postern') };
  return [
    ...parts.gate,
    { path: 'sbin/posternd', content: template('posternd.sh', values), executable: true },
    { path: 'lib/systemd/system/posternd.service', content: template('posternd.service', values) },
    { path: 'lib/sysusers.d/posternd.conf', content: template('posternd.sysusers', {}) },
    { path: 'lib/tmpfiles.d/posternd.conf', content: template('posternd.tmpfiles', {}) },
    ...documents(gate, place),
    { path: 'share/doc/posternd/copyright', content: template('debian/copyright', {}) },
  ];
}
