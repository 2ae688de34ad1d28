import { z } from 'zod';
import { adminScopesInWords } from '../../../oauth/scopes/admin-scopes.ts';
import { adminApi } from '../../../oauth/scopes/resource-servers.ts';
import type { Act } from '../../../pages/operators/act.ts';
import { MOST_ROWS, USUAL_ROWS } from '../../../pages/operators/list.ts';
import type { Route } from '../../../pages/operators/route.ts';
import { PROBLEMS, type ProblemCode, problemType } from './problem.ts';

/** Owns the API's OpenAPI 3.1 document. It is generated from the routing table, so the two cannot differ. */

type Schema = Record<string, unknown>;

const ofInput = (schema: z.ZodType): Schema => plain(z.toJSONSchema(schema, { io: 'input' }));
const ofAnswer = (schema: z.ZodType): Schema => plain(z.toJSONSchema(schema));

// The document states the schema dialect once for all schemas (OpenAPI 3.1 section 4.8.24.3).
function plain({ $schema: _, ...schema }: Schema): Schema {
  return schema;
}

/** @param issuer the issuer of the API's access tokens. */
export function describeApi(issuer: string, routes: readonly Route[]): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const route of routes) paths[route.path] = { ...paths[route.path], [route.method.toLowerCase()]: operation(route) };
  return {
    openapi: '3.1.0',
    info: {
      title: 'Munjigi admin API',
      version: '1',
      description: `Request access tokens with resource=${adminApi(issuer)}. An operator must first give the client scopes of this API. A user's token can do no more than the user's role allows.`,
    },
    servers: [{ url: '/admin/api/v1' }],
    paths,
    components: { schemas: { Problem: PROBLEM }, securitySchemes: { oauth: securityScheme(issuer) } },
    'x-problems': Object.fromEntries(
      Object.entries(PROBLEMS).map(([code, { status, title }]) => [
        code,
        { type: problemType(issuer, code as ProblemCode), status, title },
      ]),
    ),
  };
}

const PROBLEM = {
  type: 'object',
  description: 'Problem details (RFC 9457)',
  required: ['type', 'title', 'status', 'instance'],
  properties: {
    type: { type: 'string', format: 'uri' },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string' },
    instance: { type: 'string', format: 'uri', description: 'The id of the request, which the log and the audit log contain too' },
    errors: {
      type: 'array',
      items: { type: 'object', required: ['field', 'detail'], properties: { field: { type: 'string' }, detail: { type: 'string' } } },
    },
  },
};

function securityScheme(issuer: string): object {
  const scopes = Object.fromEntries(adminScopesInWords().map(({ name, title }) => [name, title.en]));
  const tokenUrl = `${issuer}/oauth/token`;
  return {
    type: 'oauth2',
    flows: {
      clientCredentials: { tokenUrl, scopes },
      authorizationCode: { authorizationUrl: `${issuer}/oauth/authorize`, tokenUrl, refreshUrl: tokenUrl, scopes },
    },
  };
}

function operation(route: Route): object {
  const { status, schema } = answerOf(route);
  const json = (content: Schema) => ({ 'application/json': { schema: content } });
  const body = route.kind === 'act' ? ofInput(route.act.input) : undefined;
  return {
    operationId: route.name,
    summary: route.summary,
    security: [{ oauth: [route.scope] }],
    parameters: parametersOf(route),
    ...(body && Object.keys((body['properties'] as object) ?? {}).length
      ? { requestBody: { required: Boolean((body['required'] as unknown[])?.length), content: json(body) } }
      : undefined),
    responses: {
      [status]: { description: 'Success', content: json(schema) },
      default: { description: 'Error', content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } } },
    },
  };
}

/** @returns the successful response of a route. */
function answerOf(route: Route): { status: number; schema: Schema } {
  switch (route.kind) {
    case 'one':
      return { status: 200, schema: ofAnswer(route.shape) };
    case 'act': {
      const { creates, result } = route.act;
      return { status: creates ? 201 : 200, schema: ofAnswer(result) };
    }
    case 'list': {
      const properties = {
        data: { type: 'array', items: ofAnswer(route.list.row) },
        next_cursor: {
          type: ['string', 'null'],
          description: 'The cursor of the next page, or null. A short or empty page may still have a next one',
        },
      };
      return { status: 200, schema: { type: 'object', required: ['data', 'next_cursor'], properties, additionalProperties: false } };
    }
  }
}

function parametersOf(route: Route): object[] {
  const id = route.path.includes('{id}') ? [{ name: 'id', in: 'path', required: true, schema: { type: 'string' } }] : [];
  if (route.kind === 'act') return [...id, idempotencyKey(route.act)];
  if (route.kind === 'one') return id;
  const { properties = {} } = ofInput(route.list.filters) as { properties?: Record<string, Schema> };
  const filters = Object.entries(properties).map(([name, schema]) => ({ name, in: 'query', schema }));
  const limit = { name: 'limit', in: 'query', schema: { type: 'integer', minimum: 1, maximum: MOST_ROWS, default: USUAL_ROWS } };
  return [...filters, limit, { name: 'cursor', in: 'query', schema: { type: 'string' } }];
}

function idempotencyKey(act: Act): object {
  const description = 'The server runs a request with the same key once, and repeats its answer for a day';
  const required = act.creates === true;
  return { name: 'Idempotency-Key', in: 'header', required, description, schema: { type: 'string', minLength: 1, maxLength: 255 } };
}
