import { testEngines } from '../suites/engines.ts';
import { revisionLogSuite } from '../suites/revision-log.ts';

for (const engine of testEngines(process.env)) revisionLogSuite(engine);
