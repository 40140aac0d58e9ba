variable "image" {
  description = "Image of all containers, by digest: HOST/PROJECT/REPOSITORY/NAME@sha256:…"
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9-]+-docker\\.pkg\\.dev/[a-z0-9:._-]+(/[a-z0-9._-]+)+@sha256:[0-9a-f]{64}$", var.image))
    error_message = "Name an image of Artifact Registry by its digest: REGION-docker.pkg.dev/PROJECT/REPOSITORY/NAME@sha256:…"
  }
}

variable "containers" {
  description = <<-EOT
    Containers by name; each gets a systemd unit trivia-NAME. `command`: what the image's entrypoint starts.
    `environment`: its variables, none of them secret: they stand in the machine's metadata. `secrets`: variables
    that the entrypoint reads from Secret Manager, with the name of a version each. `once`: runs to its end before
    those that name it in `after`. `memory_mb` and `processes`: its limits.
  EOT
  type = map(object({
    description = string
    command     = list(string)
    environment = optional(map(string), {})
    secrets     = optional(map(string), {})
    after       = optional(list(string), [])
    once        = optional(bool, false)
    memory_mb   = number
    processes   = optional(number, 1024)
  }))

  validation {
    condition     = alltrue([for name in keys(var.containers) : can(regex("^[a-z][a-z-]{0,30}[a-z]$", name)) && !contains(["firewall", "image", "gpu-driver"], name)])
    error_message = "Names of containers are a-z and hyphens; firewall, image and gpu-driver are taken."
  }

  validation {
    condition     = alltrue([for container in var.containers : can(regex("^[A-Za-z0-9 ,.'()-]{1,100}$", container.description))])
    error_message = "A description is one line of letters, digits and simple punctuation."
  }

  # They stand in a line of a systemd unit, where %, $, quotes and spaces have a meaning.
  validation {
    condition     = alltrue(flatten([for container in var.containers : [for word in container.command : can(regex("^[A-Za-z0-9./:_-]{1,128}$", word))]]))
    error_message = "The words of a command are letters, digits and . / : _ -"
  }

  # A file of variables has a line each: whatever is in a line, it cannot become two.
  validation {
    condition     = alltrue(flatten([for container in var.containers : [for key, value in container.environment : can(regex("^[A-Z][A-Z0-9_]*$", key)) && length(value) <= 2000 && can(regex("^[[:print:]]*$", value))]]))
    error_message = "Variables are named by A-Z, 0-9 and _; values are one line without control characters."
  }

  validation {
    condition     = alltrue(flatten([for container in var.containers : [for key, value in container.secrets : can(regex("^[A-Z][A-Z0-9_]*$", key)) && can(regex("^projects/[a-z0-9:.-]+/secrets/[A-Za-z0-9_-]+/versions/[A-Za-z0-9_-]+$", value))]]))
    error_message = "A secret is named as projects/P/secrets/S/versions/V: never a value."
  }

  validation {
    condition     = alltrue([for container in var.containers : !contains(keys(container.environment), "TRIVIA_SECRETS")])
    error_message = "Give secrets as `secrets`."
  }

  validation {
    condition     = alltrue(flatten([for container in var.containers : [for name in container.after : try(var.containers[name].once, false)]]))
    error_message = "A container can come after one that runs once, and after no other."
  }

  validation {
    condition     = alltrue([for container in var.containers : container.memory_mb >= 256 && floor(container.memory_mb) == container.memory_mb && container.processes >= 64 && floor(container.processes) == container.processes])
    error_message = "A container needs at least 256 MB and 64 processes, in whole numbers."
  }
}

variable "ports" {
  description = "TCP ports that the machine's own firewall lets in; the system itself lets in SSH alone."
  type        = list(number)

  validation {
    condition     = alltrue([for port in var.ports : port >= 1024 && port <= 65535 && floor(port) == port])
    error_message = "Ports are whole numbers from 1024 to 65535: the containers are no root."
  }
}

variable "gpu_driver_version" {
  description = "The GPU driver for `cos-extensions install gpu`, which the containers then use; null: no GPU."
  type        = string
  default     = null

  validation {
    condition     = var.gpu_driver_version == null || can(regex("^(default|latest|R[0-9]{3}|[0-9]{3}\\.[0-9]{2,3}(\\.[0-9]{2})?)$", var.gpu_driver_version))
    error_message = "Name default, latest, a branch such as R535, or a version such as 535.183.01."
  }
}

variable "spot" {
  description = "Start no container any more once the machine is being preempted."
  type        = bool
  default     = false
}
