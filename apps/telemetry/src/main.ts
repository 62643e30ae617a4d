import 'reflect-metadata';
import { runService } from '#service';
import { telemetry } from './app.module.js';

await runService(telemetry);
