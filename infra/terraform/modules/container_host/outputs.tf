output "user_data" {
  description = "Configuration for cloud-init: the metadata key `user-data` of a machine that runs the containers."
  value       = local.user_data
}
