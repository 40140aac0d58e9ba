variable "project_id" {
  description = "Google Cloud project."
  type        = string
}

variable "name" {
  description = "Prefix of the secrets' names."
  type        = string
}

variable "location" {
  description = "The region in which the secrets' values are kept."
  type        = string
}

variable "labels" {
  description = "Labels of the secrets."
  type        = map(string)
}

variable "prefect_auth_readers" {
  description = "IAM members that talk to Prefect's API, or are it."
  type        = list(string)
}

variable "database_url_readers" {
  description = "IAM members that open Prefect's database."
  type        = list(string)
}

variable "deletion_protection" {
  description = "Keep Terraform from deleting the secrets."
  type        = bool
}
