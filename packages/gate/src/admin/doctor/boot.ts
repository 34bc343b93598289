/** Whether posternd comes up with the host, and before the network. */
import type { Finding } from '../finding.ts';
import type { Subject } from './examiner.ts';

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
