variable "project_id" {
  description = "Google Cloud project; the buckets' names begin with it."
  type        = string
}

variable "name" {
  description = "Second part of the buckets' names."
  type        = string
}

variable "location" {
  description = "Where the objects lie: the machines' own region, since traffic inside it is free."
  type        = string
}

variable "labels" {
  description = "Labels of the buckets."
  type        = map(string)
}

variable "worker_member" {
  description = "IAM member that renders: the only one that touches the work bucket."
  type        = string
}

variable "control_member" {
  description = "IAM member that sizes the fleet and takes care of jobs."
  type        = string
}

variable "operators" {
  description = "IAM members that submit jobs and fetch videos."
  type        = list(string)
}

variable "soft_delete_days" {
  description = "How long deleted objects of the media bucket can be restored: 0, or 7 to 90 days."
  type        = number
}

variable "deletion_protection" {
  description = "Keep Terraform from deleting a bucket that holds objects."
  type        = bool
}
