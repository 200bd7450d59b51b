#!/bin/bash
# Runs once, when PostgreSQL's data is made: a role and a database for the FHIR server.
set -euo pipefail
psql --set=ON_ERROR_STOP=1 --username="$POSTGRES_USER" --dbname="$POSTGRES_DB" \
  --set=password="$(cat /run/secrets/fhir-database-password)" <<'SQL'
CREATE ROLE fhir LOGIN PASSWORD :'password';
CREATE DATABASE fhir OWNER fhir;
REVOKE CONNECT ON DATABASE chiasm FROM PUBLIC;
REVOKE CONNECT ON DATABASE fhir FROM PUBLIC;
GRANT CONNECT ON DATABASE fhir TO fhir;
SQL
