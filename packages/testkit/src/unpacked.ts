/** Programs of Debian packages that contain a daemon: `script/bootstrap` unpacks them under `.tools/`, where no service of the machine comes of it. */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';

const ROOT = resolve(import.meta.dirname, '../../..');

/** Where a program is, `usr/sbin/knockd` for example: unpacked from the package, or else the machine's own, whether it is there or not. */
export function unpacked(name: string, program: string): string {
  const ours = join(ROOT, '.tools', name, program);
  const theirs = join('/', program);
  return !existsSync(ours) && existsSync(theirs) ? theirs : ours;
}
