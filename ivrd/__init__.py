"""ivrd: a telephone bill-enquiry and payment-reminder daemon."""

__version__ = "0.1.0"
