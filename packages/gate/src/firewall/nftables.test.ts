import { after } from 'node:test';
import { namespacesAvailable } from '@postern/testkit';
import { firewallContract, type Stage } from './contract.fixture.ts';
import { NftablesStage } from './nftables-stage.fixture.ts';

const skip = namespacesAvailable() || process.env['CI'] === 'true' ? false : 'NOT RUN: network namespaces need root';

let stage: NftablesStage | undefined;

/** Making the namespaces takes longer than most tests, so that all play on one stage, one after the other. */
function lend(): Stage {
  const whole = (stage ??= new NftablesStage());
  return {
    firewall: whole.firewall,
    clients: whole.clients,
    services: whole.services,
    behind: () => whole.behind(),
    connect: (from, to, port) => whole.connect(from, to, port),
    reopen: () => whole.reopen(),
    wait: (milliseconds) => whole.wait(milliseconds),
    [Symbol.asyncDispose]: () => {
      whole.reset();
      return Promise.resolve();
    },
  };
}

after(() => stage?.[Symbol.asyncDispose]());

firewallContract('nftables', { skip }, () => Promise.resolve(lend()));
