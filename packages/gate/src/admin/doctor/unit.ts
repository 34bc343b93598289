import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

/** The systemd unit of posternd. */
export interface UnitFacts {
  /** `loaded`, `not-found`, … (systemd.unit(5)). */
  readonly load: string;
  /** `enabled`, `disabled`, …; empty when there is no file. */
  readonly state: string;
  /** Units that it is started before. */
  readonly before: readonly string[];
}

/** Reads what `systemctl show` prints. */
export function parseUnit(text: string): UnitFacts {
  const of = (name: string): string => new RegExp(`^${name}=(.*)$`, 'm').exec(text)?.[1] ?? '';
  return { load: of('LoadState'), state: of('UnitFileState'), before: of('Before').split(' ').filter(Boolean) };
}

/** The unit of this host; undefined where systemd is not the one that starts things. */
export function readUnit(): UnitFacts | undefined {
  if (!existsSync('/run/systemd/system')) return undefined;
  const program = ['/usr/bin/systemctl', '/bin/systemctl'].find((path) => existsSync(path));
  if (program === undefined) return undefined;
  const args = ['show', 'posternd.service', '--property=LoadState,UnitFileState,Before'];
  const ran = spawnSync(program, args, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
    env: {},
    timeout: 10_000,
  });
  return ran.status === 0 ? parseUnit(ran.stdout) : undefined;
}
