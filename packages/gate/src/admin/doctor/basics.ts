import { checkConfiguration } from '../check-configuration.ts';
import { judgeHost } from '../check-host.ts';
import type { Finding } from '../finding.ts';
import { withConfig } from '../options.ts';
import type { Subject } from './examiner.ts';

/** A daemon that does not answer. */
export function notRunning({ configuration, running }: Subject): Finding[] {
  if (running) return [];
  const closed = configuration.dark || configuration.services.some((service) => service.protect);
  return [
    {
      severity: closed ? 'error' : 'warning',
      code: 'not-running',
      what: `posternd is not running (nobody answers at ${configuration.socket})`,
      why: closed ? 'nobody can open the protected services' : 'nobody is heard, and nothing is protected',
      mend: `posternd run${withConfig(configuration.file)}, or start its service`,
    },
  ];
}

/** Keys, permissions, libraries. */
export function hostFindings({ configuration, facts, own }: Subject): Finding[] {
  return judgeHost(configuration, facts, own);
}

/** Services, users, devices. */
export function configurationFindings({ configuration, now }: Subject): Finding[] {
  return checkConfiguration(configuration, now);
}
