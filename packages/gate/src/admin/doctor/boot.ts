/** Whether posternd comes up with the host, and before the network. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import type { Finding } from '../finding.ts';
import type { Subject } from './examiner.ts';

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

/** A protection that nobody puts up again after a restart of the host. */
export function boot({ configuration, facts: { unit } }: Subject): Finding[] {
  const closes = configuration.dark || configuration.services.some(({ protect }) => protect);
  if (unit === undefined || !closes) return [];
  if (unit.load !== 'loaded') {
    return [
      {
        severity: 'warning',
        code: 'no-unit',
        what: 'systemd knows no posternd.service',
        why: 'after a restart of the host nobody protects the services: they are open to everybody',
        mend: 'install the package, which brings the unit, then: systemctl enable posternd',
      },
    ];
  }
  if (!/^enabled/.test(unit.state)) {
    return [
      {
        severity: 'warning',
        code: 'not-enabled',
        what: `posternd.service is not enabled (${unit.state})`,
        why: 'after a restart of the host nobody protects the services: they are open to everybody',
        mend: 'systemctl enable posternd',
      },
    ];
  }
  if (unit.before.includes('network-pre.target')) return [];
  return [
    {
      severity: 'warning',
      code: 'late-at-boot',
      what: 'posternd.service is not started before the network (no Before=network-pre.target)',
      why: 'while the host starts, the services are open to everybody for some seconds',
      mend: 'systemctl edit posternd, and write: [Unit], Before=network-pre.target, Wants=network-pre.target',
    },
  ];
}
