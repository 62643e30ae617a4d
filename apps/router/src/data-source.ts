import { cliDataSource } from '#database';
import { migrations } from '../migrations/index.js';
import { entities } from './entities.js';

/** For TypeORM's command line; the service itself gets its connection from the configuration. */
export default cliDataSource('router', { entities, migrations }, process.env);
