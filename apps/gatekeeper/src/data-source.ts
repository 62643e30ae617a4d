import { cliDataSource } from '#database';
import { migrations } from '../migrations/index.js';

/** For TypeORM's command line; the service itself gets its connection from the configuration. */
export default cliDataSource('gatekeeper', { entities: [], migrations }, process.env);
