/** The gate as the packages install it: bundled JavaScript, which starts faster and takes less memory than the sources. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { ROOT } from '../../gate-process.ts';
import { temporaryDirectory } from '../../temporary.ts';

let program: string | undefined;

/** Its program, bundled once for a process that measures. Its Node is the one that runs this. */
export function installedGate(): string {
  if (program !== undefined) return program;
  const directory = temporaryDirectory('postern-installed-');
  execFileSync(join(ROOT, 'script/bundle'), [directory, 'gate'], { stdio: ['ignore', 'ignore', 'inherit'] });
  return (program = join(directory, 'lib/postern/gate/posternd/main.js'));
}
