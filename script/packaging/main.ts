/** `script/package`: says what it does, and the size and hash of what it made. */
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { performance } from 'node:perf_hooks';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { type DebianPackage, type Packing, packDeb, packTarball } from './archives.ts';
import { ROOT } from './entry.ts';
import { clientTree, gateTree, makeParts, type Parts } from './trees.ts';

const LOCAL = { prefix: '/usr/local', zsh: 'share/zsh/site-functions' };
const DEBIAN = { prefix: '/usr', zsh: 'share/zsh/vendor-completions' };

/** Both have one version: the gate runs on the Node that comes with the client. */
function debianPackages(parts: Parts, version: string): DebianPackage[] {
  return [
    {
      name: 'postern',
      fields: [
        'Depends: libc6 (>= 2.28), libgcc-s1, libstdc++6',
        'Recommends: openssh-client',
        'Description: one packet opens a hidden service for you',
        ' The client of Postern, with the Node.js that it runs on.',
      ],
      files: clientTree(parts, DEBIAN),
      scripts: ['postinst', 'prerm'],
    },
    {
      name: 'posternd',
      fields: [
        `Depends: postern (= ${version}), libc6 (>= 2.28), libnftables1 (>= 1.0.6), nftables, passwd, util-linux`,
        'Description: hides services, and opens them for one person at a time',
        ' The gate of Postern. Installing it starts nothing and hides nothing:',
        ' posternd init makes this host a gate.',
      ],
      files: gateTree(parts, DEBIAN),
      scripts: ['postinst', 'prerm', 'postrm'],
    },
  ];
}

async function main(): Promise<void> {
  const begun = performance.now();
  const { values } = parseArgs({ options: { output: { type: 'string', default: join(ROOT, 'dist') } } });
  const say = (text: string): void => {
    const seconds = ((performance.now() - begun) / 1000).toFixed(1).padStart(5);
    process.stdout.write(`package: ${seconds} s  ${text}\n`);
  };
  const output = resolve(values.output);
  mkdirSync(output, { recursive: true });
  const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
  const { version } = manifest;
  const work = mkdtempSync(join(tmpdir(), 'postern-package-'));
  process.on('exit', () => {
    rmSync(work, { recursive: true, force: true });
  });
  for (const [signal, code] of [['SIGINT', 130] as const, ['SIGTERM', 143] as const]) {
    process.once(signal, () => process.exit(code));
  }
  const packing: Packing = { version, time: Number(process.env['SOURCE_DATE_EPOCH']), work, output };
  say(`bundling postern and posternd ${version} for linux-${process.arch}`);
  const parts = await makeParts(version);
  const made = (file: string): void => {
    const bytes = readFileSync(file);
    const hash = createHash('sha256').update(bytes).digest('hex');
    say(`${relative(process.cwd(), file)}  ${(bytes.length / 1e6).toFixed(1)} MB  sha256 ${hash}`);
  };
  say('packing the tarball');
  made(packTarball(packing, process.arch, clientTree(parts, LOCAL), gateTree(parts, LOCAL)));
  for (const debian of debianPackages(parts, version)) {
    say(`packing ${debian.name} for Debian`);
    made(packDeb(packing, process.arch, debian));
  }
}

await main();
