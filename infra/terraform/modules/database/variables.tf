variable "project_id" {
  description = "Google Cloud project."
  type        = string
}

variable "region" {
  description = "Region of the database and of Redis."
  type        = string
}

variable "name" {
  description = "Prefix of all names."
  type        = string
}

variable "labels" {
  description = "Labels of both."
  type        = map(string)
}

variable "network_id" {
  description = "The network that both are peered with."
  type        = string
}

variable "private_services_connection" {
  description = "The peering with Google's services: nothing can be made before it."
  type        = string
}

variable "private_services_range" {
  description = "Name of the address range for both."
  type        = string
}

variable "database_version" {
  description = "Release of PostgreSQL."
  type        = string
  default     = "POSTGRES_17"

  validation {
    condition     = contains(["POSTGRES_15", "POSTGRES_16", "POSTGRES_17", "POSTGRES_18"], var.database_version)
    error_message = "Give POSTGRES_15 to POSTGRES_18."
  }
}

variable "database_tier" {
  description = "Machine of the database. 80,000 videos a day take 65 to 78 ms of CPU each, 0.07 cores; two cores leave room for bursts and for deleting what is old."
  type        = string
  default     = "db-custom-2-7680"

  validation {
    condition     = can(regex("^db-custom-[0-9]+-[0-9]+$", var.database_tier))
    error_message = "Name a machine with cores of its own, such as db-custom-2-7680: two cores, 7,680 MB."
  }
}

variable "database_availability" {
  description = "REGIONAL keeps a standby in another zone, at twice the price; ZONAL waits for its zone."
  type        = string
  default     = "REGIONAL"

  validation {
    condition     = contains(["REGIONAL", "ZONAL"], var.database_availability)
    error_message = "Give REGIONAL or ZONAL."
  }
}

variable "database_disk_gb" {
  description = "First size of the disk: 30 GB of data at 80,000 videos a day, and as much again for dead rows. It grows by itself and never shrinks."
  type        = number
  default     = 100

  validation {
    condition     = var.database_disk_gb >= 20 && floor(var.database_disk_gb) == var.database_disk_gb
    error_message = "Give 20 GB at least."
  }
}

variable "database_disk_limit_gb" {
  description = "The size up to which the disk grows by itself."
  type        = number
  default     = 500

  validation {
    condition     = var.database_disk_limit_gb >= 100 && floor(var.database_disk_limit_gb) == var.database_disk_limit_gb
    error_message = "Give 100 GB at least."
  }
}

variable "redis_memory_gb" {
  description = "Memory of Redis. Under load it was measured to use 18 MB; what is not read stays."
  type        = number
  default     = 1

  validation {
    condition     = var.redis_memory_gb >= 1 && var.redis_memory_gb <= 300 && floor(var.redis_memory_gb) == var.redis_memory_gb
    error_message = "Give a whole number from 1 to 300."
  }
}

variable "redis_tier" {
  description = "STANDARD_HA keeps a replica in another zone; BASIC loses its events with its machine."
  type        = string
  default     = "STANDARD_HA"

  validation {
    condition     = contains(["BASIC", "STANDARD_HA"], var.redis_tier)
    error_message = "Give BASIC or STANDARD_HA."
  }
}

variable "deletion_protection" {
  description = "Keep Terraform from deleting the database and Redis."
  type        = bool
  default     = true
}
