# Settings of all processes of Prefect's server. Why each is so stands in docs/capacity.md, "Settings of the server
# in production"; a test compares the two.

locals {
  server_settings = {
    PREFECT_SERVER_ANALYTICS_ENABLED                          = "false"
    PREFECT_SERVER_API_MAX_PARAMETER_SIZE                     = "0"
    PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE      = "100"
    PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE = "100"
    PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL  = "1"
    PREFECT_SERVER_SERVICES_EVENT_PERSISTER_BATCH_SIZE        = "500"
    PREFECT_SERVER_SERVICES_EVENT_PERSISTER_READ_BATCH_SIZE   = "100"
    PREFECT_SERVER_SERVICES_TRIGGERS_READ_BATCH_SIZE          = "100"
    PREFECT_SERVER_DATABASE_MIGRATE_ON_START                  = "false"
    PREFECT_API_BLOCKS_REGISTER_ON_START                      = "false"
    PREFECT_SERVER_EVENTS_RETENTION_PERIOD                    = "P1D"
    PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED                 = "events,flow_runs"
    PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD        = "172800"
    PREFECT_MESSAGING_BROKER                                  = "prefect_redis.messaging"
    PREFECT_MESSAGING_CACHE                                   = "prefect_redis.messaging"
    PREFECT_SERVER_EVENTS_CAUSAL_ORDERING                     = "prefect_redis.ordering"
    PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE                  = "prefect_redis.lease_storage"
    PREFECT_REDIS_MESSAGING_HOST                              = var.redis_host
    PREFECT_REDIS_MESSAGING_PORT                              = tostring(var.redis_port)
    PREFECT_REDIS_MESSAGING_DB                                = "0"
    PREFECT_SERVER_DOCKET_URL                                 = "redis://${var.redis_host}:${var.redis_port}/1"
  }

  # Log lines of the server in JSON as well. The server copies its pages from where it is installed, which nobody
  # can write; a browser finds the API at its end of an operator's tunnel.
  server_environment = merge(local.server_settings, {
    PREFECT_LOGGING_SETTINGS_PATH      = "/app/deployments/logging.yml"
    PREFECT_SERVER_UI_STATIC_DIRECTORY = "/var/lib/trivia/prefect-ui"
    PREFECT_SERVER_UI_API_URL          = "http://127.0.0.1:4200/api"
    TRIVIA_LOG_FORMAT                  = "json"
  })

  # The server's processes; the services call the API inside of their own process, with its password.
  server_secrets = {
    PREFECT_API_DATABASE_CONNECTION_URL = var.database_url_version
    PREFECT_SERVER_API_AUTH_STRING      = var.prefect_auth_version
  }
  client_secrets = { PREFECT_API_AUTH_STRING = var.prefect_auth_version }
}
