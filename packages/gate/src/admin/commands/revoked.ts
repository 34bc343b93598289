import type { Io } from '@postern/terminal';
import type { RevokedValue } from '../protocol.ts';
import { count } from '../wording.ts';

/** What a revocation does, for the commands that revoke. */
export const REVOCATION_PARAGRAPH =
  'It acts at once: nothing more is granted, and grants end. Connections that are established live on until they end by themselves. The gate key changes, so that the revoked device cannot even be told from a stranger; other devices learn the next key by themselves.';

/** Says what a revocation did. */
export function showRevoked(value: RevokedValue, io: Io): void {
  io.out(
    `${count(value.devices.length, 'device')} of ${value.user} revoked, ${count(value.grants.length, 'grant')} ended, ${count(value.invites, 'invite')} withdrawn`,
  );
  io.out(
    value.rotation === 'started'
      ? 'the gate key changes: `posternd status` shows how far that is'
      : 'the gate key changes again after the change under way: `posternd status` shows how far that is',
  );
}
