import { type INestApplication } from '@nestjs/common';
import { DocumentBuilder, SwaggerModule, type OpenAPIObject } from '@nestjs/swagger';
import { z } from 'zod';
import { problem } from '#contracts';

/** Every error of every service has this one schema. */
export const PROBLEM_REFERENCE = '#/components/schemas/Problem';

export interface ApiDescription {
  title: string;
  description: string;
  version: string;
}

/** Serves the OpenAPI document at `/docs/json` and a page to read it at `/docs`. The document is made when first asked for. */
export function serveOpenApi(app: INestApplication, { title, description, version }: ApiDescription): void {
  const config = new DocumentBuilder()
    .setTitle(title)
    .setDescription(description)
    .setVersion(version)
    .setOpenAPIVersion('3.0.3')
    .addBearerAuth({ type: 'http', scheme: 'bearer', bearerFormat: 'JWT' })
    .build();
  SwaggerModule.setup('docs', app, () => withProblem(SwaggerModule.createDocument(app, config)), {
    jsonDocumentUrl: 'docs/json',
  });
}

function withProblem(document: OpenAPIObject): OpenAPIObject {
  const Problem = z.toJSONSchema(problem, { target: 'openapi-3.0' }) as object;
  return { ...document, components: { ...document.components, schemas: { ...document.components?.schemas, Problem } } };
}
