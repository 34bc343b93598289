/** Packs trees so that the same content gives the same bytes: names in order, root's, one time, no names of users or hosts. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { type Entry, template, writeTree } from './entry.ts';

/** What is packed, and where. */
export interface Packing {
  readonly version: string;
  /** Seconds since 1970 that every file is dated with. */
  readonly time: number;
  /** A directory to work in. */
  readonly work: string;
  readonly output: string;
}

/** `postern-VERSION-linux-ARCH.tar.gz`, with the trees `client/` and `gate/` and the scripts that put them below /usr/local. */
export function packTarball(
  packing: Packing,
  architecture: string,
  client: readonly Entry[],
  gate: readonly Entry[],
): string {
  const { version, time, work, output } = packing;
  const name = `postern-${version}-linux-${architecture}`;
  const below = (tree: string, entries: readonly Entry[]): Entry[] =>
    entries.map((entry) => ({ ...entry, path: join(tree, entry.path) }));
  const values = { GATE: template('gate.sh', {}), ARCH: `Linux on ${architecture}` };
  const scripts = ['install', 'uninstall'].map((path) => ({ path, content: template(path, values), executable: true }));
  const readme = client.filter(({ path }) => /\/(README\.md|LICENSE)$/.test(path) && path.startsWith('share/doc'));
  const top = readme.map(({ path, content }) => ({ path: path.replace(/.*\//, ''), content }));
  const directory = join(work, name);
  writeTree(directory, [...below('client', client), ...below('gate', gate), ...scripts, ...top], time);
  const file = join(output, `${name}.tar.gz`);
  const owner = [
    '--sort=name',
    '--format=ustar',
    '--owner=0',
    '--group=0',
    '--numeric-owner',
    `--mtime=@${String(time)}`,
  ];
  execFileSync('tar', [...owner, '--use-compress-program=gzip -n', '-C', work, '-cf', file, name]);
  return file;
}

/** One Debian package. */
export interface DebianPackage {
  readonly name: string;
  /** Further fields of its control file, one a line. */
  readonly fields: readonly string[];
  readonly files: readonly Entry[];
  readonly scripts: readonly string[];
}

/** Architectures as dpkg calls them. */
const DEBIAN = new Map([
  ['x64', 'amd64'],
  ['arm64', 'arm64'],
]);

/** `NAME_VERSION_ARCH.deb`, with everything below /usr. */
export function packDeb(
  packing: Packing,
  architecture: string,
  { name, fields, files, scripts }: DebianPackage,
): string {
  const { version, time, work, output } = packing;
  const arch = DEBIAN.get(architecture) ?? architecture;
  const installed = files.map((entry) => ({ ...entry, path: join('usr', entry.path) }));
  const size = installed.reduce((sum, { content }) => sum + Math.ceil(content.length / 1024), 0);
  const control = [
    `Package: ${name}`,
    `Version: ${version}`,
    `Architecture: ${arch}`,
    'Maintainer: The authors of Postern <postern@localhost>',
    `Installed-Size: ${String(size)}`,
    'Section: net',
    'Priority: optional',
    ...fields,
    '',
  ].join('\n');
  const sums = installed
    .map(({ path, content }) => `${createHash('md5').update(content).digest('hex')}  ${path}\n`)
    .sort((a, b) => (a.slice(34) < b.slice(34) ? -1 : 1));
  const values = { GATE: template('gate.sh', {}) };
  const meta: Entry[] = [
    { path: 'DEBIAN/control', content: control },
    { path: 'DEBIAN/md5sums', content: sums.join('') },
    ...scripts.map((script) => ({
      path: `DEBIAN/${script}`,
      content: template(`debian/${name}.${script}`, values),
      executable: true,
    })),
  ];
  const directory = join(work, name);
  writeTree(directory, [...installed, ...meta], time);
  const file = join(output, `${name}_${version}_${arch}.deb`);
  // zstd: a second instead of a minute for four fifths of the size that gzip makes; dpkg reads it from Debian 12 and Ubuntu 18.04 on.
  execFileSync('dpkg-deb', ['--root-owner-group', '-Zzstd', '-z9', '--build', directory, file], {
    env: { ...process.env, SOURCE_DATE_EPOCH: String(time) },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  return file;
}
