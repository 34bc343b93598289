import type { Command } from '@postern/terminal';
import { CONFIG, idArgument, JSON_OUTPUT } from '../options.ts';
import { remote } from '../remote.ts';
import { REVOCATION_PARAGRAPH, showRevoked } from './revoked.ts';

/** `posternd device revoke`. */
export const deviceRevoke: Command = {
  name: 'device revoke',
  summary: 'revoke one device: lost, stolen or retired',
  description: [REVOCATION_PARAGRAPH],
  arguments: [{ name: 'id', help: 'its id, or the first 6 or more digits' }],
  options: [JSON_OUTPUT, CONFIG],
  examples: [{ line: 'posternd device revoke 3f2a9c', does: 'revokes the device whose id begins so' }],
  run: remote({
    command: 'device.revoke',
    arguments: (parsed) => ({ id: idArgument(parsed, 32, 'posternd device list') }),
    show: showRevoked,
  }),
};
