/** Every metric of `script/bench all`, in the order of the page. */
import type { AnyMetric } from '../report/page.ts';
import { clientMetric } from './client.ts';
import { devicesMetric } from './devices.ts';
import { enduranceMetric } from './endurance.ts';
import { floodMetric } from './flood.ts';
import { grantsMetric } from './grants.ts';
import { latencyMetric } from './latency.ts';
import { memoryMetric } from './memory.ts';
import type { Metric } from './metric.ts';
import { startMetric } from './start.ts';
import { strangerMetric } from './stranger.ts';

/** A metric among others: what it keeps comes back to itself alone. */
function any<T>(metric: Metric<T>): AnyMetric {
  return {
    ...metric,
    tell: (result) => metric.tell(result as T),
    ratios: (result) => metric.ratios(result as T),
  };
}

/** All of them. */
export const METRICS: readonly AnyMetric[] = [
  any(latencyMetric),
  any(floodMetric),
  any(strangerMetric),
  any(devicesMetric),
  any(grantsMetric),
  any(memoryMetric),
  any(clientMetric),
  any(startMetric),
];

/** Those that take longer, each by itself. */
export const LONG_METRICS: readonly AnyMetric[] = [any(enduranceMetric)];

/** What the page tells of. */
export const PAGE_METRICS: readonly AnyMetric[] = [...METRICS, ...LONG_METRICS];
