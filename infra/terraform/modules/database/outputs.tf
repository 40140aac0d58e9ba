output "database_instance" {
  description = "Name of the Cloud SQL instance."
  value       = google_sql_database_instance.this.name
}

output "database_address" {
  description = "Private address of PostgreSQL."
  value       = google_sql_database_instance.this.private_ip_address
}

output "database_name" {
  description = "Name of Prefect's database."
  value       = google_sql_database.prefect.name
}

output "connection_name" {
  description = "The instance as Cloud SQL's tools name it: PROJECT:REGION:INSTANCE."
  value       = google_sql_database_instance.this.connection_name
}

output "redis_host" {
  description = "Private address of Redis."
  value       = google_redis_instance.this.host
}

output "redis_port" {
  description = "Port of Redis."
  value       = google_redis_instance.this.port
}

output "redis_id" {
  description = "The Redis instance."
  value       = google_redis_instance.this.id
}
